/** Passwords of our roles, from the owner's: the same on every start and node, never stored. */
import { createHmac } from 'node:crypto';

const passwordFor =
  (role: string) =>
  (ownerUrl: string): string =>
    createHmac('sha256', `heyblue:${new URL(ownerUrl).password}`)
      .update(role)
      .digest('base64url');

export const appPassword = passwordFor('application role');
export const auditorPassword = passwordFor('auditor role');
