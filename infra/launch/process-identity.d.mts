/** A word that no other process ever has, or null when there is no such process. See process-identity.mjs. */
export function processIdentity(pid: number): string | null;

/** The command line, words separated by blanks; empty when there is no such process. */
export function processCommand(pid: number): string;
