import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type DefaultTheme, defineConfig } from "vitepress";
import { pageLinksOnly } from "./page-links.ts";
import { slugOf } from "./slug.ts";

/** Copies of the pages: the compiler of the site looks for its own packages above each page. */
const pages = join(import.meta.dirname, "../pages");

/** What a reader looks for, in the order in which one needs it; a page that is in none of these comes under “More”. */
const sections: Record<string, readonly string[]> = {
  Operate: [
    "which-scheme",
    "command-line",
    "inventory",
    "ssh",
    "from-ansible",
    "rolling",
    "trust",
    "undo",
    "proof",
    "judged",
    "hosts-in-use",
    "leftovers",
    "lab",
  ],
  Write: ["playbooks", "tasks", "extending", "design", "decisions"],
};

function pagesIn(folder: string): string[] {
  return readdirSync(join(pages, folder))
    .filter((name) => name.endsWith(".md"))
    .map((name) => name.slice(0, -".md".length))
    .sort();
}

function item(page: string): DefaultTheme.SidebarItem {
  const heading = readFileSync(join(pages, `${page}.md`), "utf8").match(/^# (.*)$/m)?.[1] ?? page;
  return { text: heading.replace(/:.*/, ""), link: `/${page}` };
}

function section(text: string, folder: string, names: readonly string[]): DefaultTheme.SidebarItem {
  return { text, collapsed: false, items: names.map((name) => item(`${folder}/${name}`)) };
}

function sidebar(): DefaultTheme.SidebarItem[] {
  const all = pagesIn("docs");
  const listed = Object.values(sections).flat();
  const of = (names: readonly string[]) => names.filter((name) => all.includes(name));
  return [
    { text: "Start", link: "/" },
    { text: "中文", link: "/zh-CN" },
    section("Schemes", "docs/schemes", pagesIn("docs/schemes")),
    ...Object.entries(sections).map(([title, names]) => section(title, "docs", of(names))),
    section(
      "More",
      "docs",
      all.filter((name) => !listed.includes(name)),
    ),
    { ...section("Tasks", "docs/tasks", pagesIn("docs/tasks")), collapsed: true },
  ];
}

export default defineConfig({
  title: "Causeway",
  description: "Cross-host Docker container networking by playbooks in TypeScript: built, proved, undone",
  srcDir: "pages",
  outDir: "dist",
  rewrites: { "README.md": "index.md", "README.zh-CN.md": "zh-CN.md" },
  markdown: { config: pageLinksOnly, anchor: { slugify: slugOf } },
  themeConfig: {
    search: { provider: "local" },
    sidebar: sidebar(),
    outline: [2, 3],
  },
});
