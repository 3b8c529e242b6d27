import { definePlaybook, Type } from "causeway";

export default definePlaybook({
  name: "reset",
  summary: "Take back everything that causeway ever did on the hosts",
  vars: Type.Object({}),
  hosts: "all",
  undoes: "everything",
  plays: [],
});
