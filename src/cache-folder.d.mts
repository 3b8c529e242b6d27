/** Under which the launcher leaves the package's folder on `globalThis`. */
export const packageFolderKey: unique symbol;

/** The folder for bundles, compiled playbooks and fetched archives; made where it is missing. */
export function cacheFolder(packageFolder: string, env?: NodeJS.ProcessEnv): string;
