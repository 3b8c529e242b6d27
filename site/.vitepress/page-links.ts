import type { MarkdownRenderer } from "vitepress";

/**
 * The pages link to sources beside them, as a reader in the repository wants it. The site has pages only: there such a link
 * is text. The two READMEs have other places there.
 */
export function pageLinksOnly(md: MarkdownRenderer): void {
  md.core.ruler.after("inline", "page-links-only", ({ tokens }) => {
    for (const { children } of tokens) {
      if (!children) continue;
      const open: boolean[] = [];
      for (const token of children) {
        if (token.type === "link_open") {
          const href = String(token.attrGet("href"));
          const leads = leadsSomewhere(href);
          open.push(leads);
          if (leads) token.attrSet("href", onTheSite(href));
          else asText(token);
        } else if (token.type === "link_close" && open.pop() === false) asText(token);
      }
    }
    return false;
  });
}

type Token = NonNullable<Parameters<MarkdownRenderer["renderer"]["render"]>[0]>[number];

function leadsSomewhere(href: string): boolean {
  return /^(?:[a-z]+:|#)/.test(href) || /\.md(?:#|$)/.test(href);
}

function onTheSite(href: string): string {
  return href
    .replace(/(^|\/)README\.md(?=#|$)/, "$1index.md")
    .replace(/(^|\/)README\.zh-CN\.md(?=#|$)/, "$1zh-CN.md");
}

function asText(token: Token): void {
  token.type = "text";
  token.tag = "";
  token.nesting = 0;
  token.content = "";
}
