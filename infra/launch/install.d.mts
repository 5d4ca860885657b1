/** Why the packages must be installed, or null when all is there. See install.mjs. */
export function staleness(root: string): string | null;

/** Says which packages on which platform: what a stamp is compared with. */
export function fingerprint(root: string): string;

/** The Node of the lock file, whatever the machine has. */
export function pinnedNode(root: string): string;

/** Installs what the lock file names unless it is there already. */
export function ensureInstalled(
  root: string,
  say: (text: string) => void,
  options?: { onChild?: (child: { kill(signal: string): void }) => void },
): Promise<{ ok: true } | { ok: false; sentence: string }>;
