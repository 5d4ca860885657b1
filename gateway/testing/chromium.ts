/** A real browser for tests: the one that `HEYBLUE_CHROMIUM` names, or the first that is installed. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = [
  'chromium',
  'chromium-browser',
  'google-chrome',
  'google-chrome-stable',
  'chrome',
  'microsoft-edge',
];
/** Where installers put it when they put it into no path. */
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];

/** What a skipped test says. */
export const NO_BROWSER =
  'skipped: no Chromium here. Install one (Debian: apt-get install chromium; anywhere: npx playwright-core install chromium-headless-shell) or name one in HEYBLUE_CHROMIUM';

const runs = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
};

/** Path of a browser, or null. One that was named and does not run is none: silence would hide a typing mistake. */
export const findChromium = (
  env: Readonly<Record<string, string | undefined>> = process.env,
): string | null => {
  const named = env.HEYBLUE_CHROMIUM ?? env.CHROMIUM;
  if (named !== undefined) return runs(named) ? named : null;
  const folders = (env.PATH ?? '').split(delimiter).filter(folder => folder !== '');
  const paths = [...NAMES.flatMap(name => folders.map(folder => join(folder, name))), ...PLACES];
  return paths.find(runs) ?? null;
};

if (import.meta.main) console.log(findChromium() ?? NO_BROWSER);
