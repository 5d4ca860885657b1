/** The password of the application role, from the owner's: the same on every start and node, never stored. */
import { createHmac } from 'node:crypto';

export const appPassword = (ownerUrl: string): string =>
  createHmac('sha256', `heyblue:${new URL(ownerUrl).password}`)
    .update('application role')
    .digest('base64url');
