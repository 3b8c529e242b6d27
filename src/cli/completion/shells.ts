/** The shells that can complete. */
export const shells = ["bash", "zsh", "fish"] as const;
