import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { isChosen, tagsOf } from "../../../src/run/selection.ts";
import { noAnsible } from "./oracle.ts";
import { ansiblesChoice, playsWithTags, tagOptions } from "./tags.ts";

/** What ansible-core 2.14 lists; `npm run test:full` asks again. */
const ofAnsible = JSON.parse(readFileSync(new URL("tags.json", import.meta.url), "utf8")) as Record<
  string,
  string
>;

const words = (text: string) => text.split(",").filter(Boolean);

test.each(tagOptions)("--tags %s --skip-tags %s chooses what Ansible chooses", (tags, skip) => {
  const selection = { tags: words(tags), skipTags: words(skip) };
  const chosen = playsWithTags.flatMap((play, p) =>
    play.tasks.flatMap((own, t) =>
      isChosen(tagsOf({ tags: play.play }, { tags: own }), selection) ? [`${p}.${t}`] : [],
    ),
  );
  expect(chosen.join(" ")).toBe(ofAnsible[`${tags} / ${skip}`]);
});

test.runIf(process.env.CAUSEWAY_TEST_FULL)("Ansible says what is written down", async (context) => {
  const why = await noAnsible();
  if (why) return context.skip(why);
  const said: Record<string, string> = {};
  for (const given of tagOptions) said[given.join(" / ")] = (await ansiblesChoice(given)).join(" ");
  expect(said).toEqual(ofAnsible);
});
