import {
  AbsolutePath,
  type Content,
  defineTask,
  localFile,
  missingPlacedFile,
  placedFileParams,
  readPlacedFile,
  type Static,
  Type,
} from "causeway";

const params = Type.Object(
  {
    ...placedFileParams,
    content: Type.Optional(Type.String({ description: "its whole text" })),
    secret: Type.Optional(
      Type.Boolean({ description: "its text is shown nowhere: neither in a diff nor in an event" }),
    ),
    from: Type.Optional(
      AbsolutePath({
        description:
          'a file of the controller to copy; beside the playbook: `new URL("app.conf", import.meta.url).pathname`',
      }),
    ),
    absent: Type.Optional(Type.Literal(true, { description: "there is to be no such file" })),
  },
  {
    additionalProperties: false,
    oneOf: [{ required: ["content"] }, { required: ["from"] }, { required: ["absent"] }],
  },
);

/**
 * A whole file: a text, a file of the controller, or none. The undo brings back what was there, unless somebody changed the
 * file since. A unit's file makes systemd read its units again. A program that reads the file is reloaded or restarted once,
 * also where an earlier run was cut off before that.
 *
 * ```ts
 * import { file } from "causeway/tasks";
 *
 * export const tasks = [
 *   file({ path: "/etc/app/app.conf", content: "workers = 4\n", owner: "root:root", mode: "640", restarts: ["app"] }),
 *   file({ path: "/usr/local/bin/app", from: new URL("app", import.meta.url).pathname, mode: "755" }),
 *   file({ path: "/etc/cron.d/old-app", absent: true }),
 * ];
 * ```
 */
export const file = defineTask({
  name: "file",
  summary: "A file, by its text or from the controller, or none",
  params,
  key: ({ path }) => path,
  read: readPlacedFile,
  present: (state, params) => missingPlacedFile(state, params, contentOf(params)),
});

function contentOf({ content, from, secret = false }: Static<typeof params>): Content {
  if (content !== undefined) return { text: content, secret };
  return from === undefined ? { absent: true } : { from: localFile(from) };
}
