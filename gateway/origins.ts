/**
 * Which web pages may call. Browsers name the origin of the page with every socket and every call to another origin, and no
 * page can forge it; apps that are no pages name none, and are asked for their token alone.
 */

/** Stands for the pages of the machine on which their browser runs, whatever their port: for who builds an app. */
export const LOOPBACK = 'loopback';
const LOOPBACK_HOSTS: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/** @param origins allowed ones; `*` is every one, `loopback` those of the browser's own machine */
export const mayCall = (origins: readonly string[], origin: string): boolean =>
  origins.includes('*') ||
  origins.includes(origin) ||
  (origins.includes(LOOPBACK) && URL.canParse(origin) && LOOPBACK_HOSTS.has(new URL(origin).hostname));

/** Whether it names the very door at which it knocks (`Host` as sent): React Native does, for apps that are no pages. */
export const isOwn = (origin: string, host: string): boolean =>
  host !== '' && URL.canParse(origin) && new URL(origin).host === host.toLowerCase();
