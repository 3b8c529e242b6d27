import { file } from "./file/file.ts";
import { pushedFile } from "./file/pushed-file.ts";
import { unpacked, unpackedNote } from "./file/unpacked.ts";
import { jsonKeys } from "./json/json.ts";
import { link, noLink } from "./link/link.ts";
import { leaveNetwork, returnToNetwork } from "./network/members.ts";
import { dockerNetwork, noDockerNetwork } from "./network/network.ts";
import { packages } from "./package/package.ts";
import { noRoute, route } from "./route/route.ts";
import { noRule, rule } from "./rule/rule.ts";
import { folder } from "./run/folder.ts";
import { run } from "./run/run.ts";
import { systemUser } from "./run/system-user.ts";
import { sysctl } from "./sysctl/sysctl.ts";
import { unit } from "./unit/unit.ts";

/** The kinds of step. The set is closed: each knows how to save and restore what it touches. */
export const step = {
  file,
  pushedFile,
  unpacked,
  unpackedNote,
  jsonKeys,
  packages,
  systemUser,
  folder,
  unit,
  route,
  noRoute,
  rule,
  noRule,
  sysctl,
  link,
  noLink,
  dockerNetwork,
  noDockerNetwork,
  leaveNetwork,
  returnToNetwork,
  run,
};
