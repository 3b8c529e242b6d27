import { definePlaybook, Type } from "causeway";

export default definePlaybook({
  name: "reset",
  summary: "Undo everything that causeway did on the hosts",
  vars: Type.Object({}),
  hosts: "all",
  undoes: "everything",
  plays: [],
});
