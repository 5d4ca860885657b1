/** Our own client in a real headless Chromium: one page for each script, the same bundle that a web app would load. */
import type { Subject } from './subject.ts';

export interface BrowserSubject extends Subject {
  close(): Promise<void>;
}

/** A sentence instead when no browser is installed. */
export const browserSubject = async (): Promise<BrowserSubject | string> => 'not built yet';
