import { ensureImage } from "../../src/lab/image.ts";
import { installPrerequisites, missingPrerequisites } from "../../src/lab/index.ts";

/** Before the first lab: what the machine lacks, and the image; two files at a time would both want to bring them. */
export async function setup(): Promise<void> {
  const say = (text: string) => void process.stderr.write(`${text}\n`);
  await installPrerequisites(missingPrerequisites(), say);
  await ensureImage({ image: "bullseye" }, say);
}
