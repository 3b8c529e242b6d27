import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { plainEvent } from "../../src/report/json.ts";
import { escaped, html } from "../../src/report/page/html.ts";
import { htmlReport } from "../../src/report/page/page.ts";
import type { RunEvent } from "../../src/run/events.ts";
import { checked } from "./events.ts";
import { began, changed, ended, failed, playOn, webs } from "./fleet.ts";
import { matrixOf, wholeRun, wicked } from "./whole-run.ts";

const pageOf = (events: readonly RunEvent[], diff = true) =>
  htmlReport.render(
    events.map((event) => plainEvent(event, diff)),
    new Date("2025-03-04T10:15:00Z"),
  );
/** The words of a section, without markup. */
const section = (page: string, id: string) =>
  (page.split(`<section id="${id}">`)[1]?.split("</section>")[0] ?? "")
    .replaceAll(/<[^>]*>/g, " ")
    .replaceAll(/\s+/g, " ");

test("what is put into a page is text, whatever it is", () => {
  expect(
    html`<b title="${'"><script>'}">${["a & b", false, undefined, html`<i>${"<"}</i>`, 0]}</b>`.text,
  ).toBe('<b title="&quot;&gt;&lt;script&gt;">a &amp; b<i>&lt;</i>0</b>');
  expect(escaped("\x1b[31mred\x1b[0m \x07 \ud800 \uffff é 容器")).toBe("red \\x07 \ufffd \ufffd é 容器");
});

test("no tag of a page is a host's, and no page has a script", () => {
  const page = pageOf(wholeRun(3, { failing: true }));
  expect(page).toContain(escaped(wicked));
  expect(page).not.toMatch(/<script|<img|javascript:|https?:/i);
  expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
});

describe("a page says", () => {
  const page = pageOf(wholeRun(3, { failing: true }));

  test.each([
    ["failures", /web2: failed .*command systemctl restart docker/],
    ["topology", /3 hosts, 6 ways between them .*web1 10\.0\.0\.0 192\.168\.0\.0\/24/],
    ["batches", /2\.1 s batch 1 of 3 web1 .* gate: passed .* last proof: failed 2\/6 ordered pairs reached/],
    ["plan", /3 hosts done static-route peers · routes peers — → 2 routes .* \+ &quot;bip&quot;/],
    ["timeline", /0 5 s 10 s .*plays .*batches .*proofs .*web1/],
    ["recap", /web2 4 0 0 0 failed; owed: restart docker web1 4 2 2 1 ok/],
    ["messages", /web1 the motd says/],
  ])("in %s what happened", (id, words) => {
    expect(section(page, id)).toMatch(words);
  });

  test("of a check what would be done, and why the rest cannot be planned", () => {
    const plan = section(pageOf([began(["docker-200"], true), ...checked]), "plan");
    expect(plan).toMatch(/What would be done .*planned docker-bip docker0 · keys of/);
    expect(plan).toMatch(/old store .*cannot be undone: it is gone/);
    expect(plan).toMatch(/later: the rest needs docker0/);
    expect(plan).toMatch(/docker-200 planned restart docker because of keys, store/);
  });

  test("no content of a file without --diff, and nothing of a step's script", () => {
    expect(pageOf(wholeRun(3), false)).not.toContain('class="diff"');
    expect(pageOf([began(["docker-200"], true), ...checked])).not.toContain("hunter2");
  });

  test("that a run which was cut off did not come to its end", () => {
    const cut = pageOf(wholeRun(3).slice(0, 12));
    expect(cut).toContain("the run did not come to its end");
    expect(cut).toMatch(/cut off, from/);
  });

  test("of a run that only proves that nothing was changed", () => {
    expect(section(pageOf([began(["web1"]), ended(["web1"])]), "plan")).toMatch(/No play was begun: nothing/);
    expect(section(pageOf([began(["web1"]), playOn(["web1"]), ended(["web1"])]), "plan")).toMatch(
      /Nothing was missing/,
    );
  });

  test("no name of one host where the task of each has its own", () => {
    const keys = webs(6).flatMap((host) => changed(host, `peer ${host}`, "there", { key: `peer-${host}` }));
    const plan = section(pageOf([began(webs(6)), playOn(webs(6)), ...keys]), "plan");
    expect(plan).toContain("6 hosts done static-route peer-* · peer * differs by host");
    expect(plan).toContain("web6 static-route peer-web6 peer web6: — → there");
  });

  test("equal failures once, and for whom they stand", () => {
    const all = [...["web1", "web2", "web3"].map((host) => failed(host)), ...wholeRun(3)];
    const words = section(pageOf(all), "failures");
    expect(words.match(/Pool overlaps/g)).toHaveLength(3);
    expect(words).toMatch(/the same on 2 more hosts: web2, web3/);
  });
});

test("a fleet of 200 with all its pairs is a page of a few megabytes", () => {
  const hosts = wholeRun(200).flatMap((event) => (event.type === "run" ? event.hosts : []));
  const few = matrixOf(hosts.slice(0, 2)).cells[0];
  const cells = hosts.flatMap((from) =>
    hosts.flatMap((to) => (few && from !== to ? [{ ...few, from, to }] : [])),
  );
  const matrix = { title: "all", hosts, cells, notes: [] };
  const page = pageOf([...wholeRun(200), { at: 30_000, type: "probe", name: "p", state: "passed", matrix }]);
  expect(cells).toHaveLength(39_800);
  expect(page.length).toBeLessThan(3_000_000);
});

const browser = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find((path) =>
  existsSync(path),
);

/** Looks at a page in a frame of a width, and gives what a script outside of it finds there. */
function inBrowser(page: string, width: number): Record<string, unknown> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-page-"));
  try {
    const file = join(folder, "look.html");
    const script = `const f = document.querySelector("iframe"); f.onload = () => { const d = f.contentDocument;
document.body.dataset.found = JSON.stringify({ title: d.title, wide: d.documentElement.scrollWidth, images: d.images.length,
scripts: d.scripts.length, lanes: d.querySelectorAll(".lane").length, cells: d.querySelectorAll("svg.heat rect, td[title]").length,
shown: [...d.querySelectorAll("section")].every((s) => s.getBoundingClientRect().height > 20) }); };
f.srcdoc = ${JSON.stringify(page).replaceAll("<", "\\u003c")};`;
    writeFileSync(
      file,
      `<!doctype html><body><iframe width="${width}" height="800" style="border:0"></iframe><script>${script}</script>`,
    );
    const asked = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--hide-scrollbars",
      `--user-data-dir=${folder}/profile`,
      "--virtual-time-budget=20000",
    ];
    const found = execFileSync(browser ?? "", [...asked, "--dump-dom", `file://${file}`], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 64 * 1024 * 1024,
      timeout: 100_000,
    });
    const [, data = "{}"] = /<body data-found="([^"]*)"/.exec(found) ?? [];
    return JSON.parse(data.replaceAll("&quot;", '"').replaceAll("&amp;", "&"));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** In CI one that is not there is a failure. */
describe.runIf(browser ?? process.env.CI)("in a browser", () => {
  test.each([
    [3, 390, 6],
    [3, 1200, 6],
    [200, 390, 793],
  ])(
    "%i hosts fit %i pixels, and no word of a host has run",
    (n, width, cells) => {
      const found = inBrowser(pageOf(wholeRun(n, { failing: true })), width);
      expect(found).toEqual({
        title: "static-route: a host failed (exit code 2)",
        wide: width,
        images: 0,
        scripts: 0,
        lanes: n + 4,
        cells,
        shown: true,
      });
    },
    120_000,
  );
});
