/** What holding a folder gives you: a way to let go of it. */
export interface FolderHeld {
  ok: true;
  release(): void;
}

/** Somebody else holds it: the process with this pid. */
export interface FolderBusy {
  ok: false;
  pid: number;
}

/** Claims `folder` for this process, see folder-lock.mjs. Throws the file system's error when it cannot be written. */
export function lockFolder(folder: string): Promise<FolderHeld | FolderBusy>;
