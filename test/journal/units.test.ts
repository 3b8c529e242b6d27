import { execFileSync } from "node:child_process";
import { expect, test } from "vitest";
import { hostLibrary } from "../../src/journal/library.ts";

/** What systemd says of docker.service, and whether it runs, or is about to, and whether it ought to. */
test.each<[is: string, jobs: string, willRun: boolean, isUp: boolean]>([
  ["active", "", true, true],
  ["activating", " 812 docker.service start running", true, true],
  // flanneld was restarted, and systemd hands that on to Docker.
  ["deactivating", " 812 docker.service restart running", true, true],
  ["inactive", " 812 docker.service start   waiting", true, true],
  ["deactivating", " 812 docker.service stop running", false, false],
  ["inactive", "", false, false],
  ["failed", "", false, true],
])("a unit that is %s with the jobs “%s”", (is, jobs, willRun, isUp) => {
  const script = `${hostLibrary().text}
systemctl() {
  case $1 in
    is-active) echo ${is} ;;
    is-failed) [ ${is} = failed ] ;;
    list-jobs) echo "${jobs}" ;;
    show) echo loaded ;;
  esac
}
for ask in cw_will_run cw_is_up; do false || $ask docker.service && echo yes || echo no; done`;
  const said = execFileSync("sh", { input: script, encoding: "utf8" }).trim().split("\n");
  expect(said).toEqual([willRun, isUp].map((is) => (is ? "yes" : "no")));
});
