/** Tells a client what the browser knows: that the page is hidden or shown again, and that the network is back. */
import type { HeyBlueClient } from './client.ts';

interface Events {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}
interface Page extends Events {
  readonly document?: Events & { readonly visibilityState: string };
}

/** Listens from now on; the result stops it. */
export const watchBrowser = (
  client: Pick<HeyBlueClient, 'setForeground' | 'onNetworkChange'>,
  page: Page = globalThis as unknown as Page,
): (() => void) => {
  const look = (): void => client.setForeground(page.document?.visibilityState !== 'hidden');
  const changed = (): void => client.onNetworkChange();
  const heard: [Events | undefined, string, () => void][] = [
    [page.document, 'visibilitychange', look],
    // A page that comes back as it was left: its socket is dead without knowing.
    [page, 'pageshow', look],
    [page, 'online', changed],
  ];
  for (const [target, type, listener] of heard) target?.addEventListener(type, listener);
  return () => {
    for (const [target, type, listener] of heard) target?.removeEventListener(type, listener);
  };
};
