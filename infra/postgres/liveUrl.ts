/**
 * A database URL as it is now. PostgreSQL asks for a password when a connection is opened and not again, so a password is
 * changed without anybody noticing: connections that are open go on, and whoever opens one reads the file of the secret
 * once more. What stays is who, where and which database: a file that says something else there is not believed, because a
 * node that changed its database while it runs would have two.
 *
 * The file (`HEYBLUE_SECRETS_DIR`) may be half-written or gone for a moment; then the last password that was read is tried.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConnectionOptions } from 'node:tls';
import pg from 'pg';
import { appPassword } from './rolePassword.ts';

/** URLs that came from files, by what they were first, and what they were last. */
const followed = new Map<string, { last: string; readonly read: () => string }>();

const isSamePlace = (one: string, other: string): boolean => {
  const [a, b] = [new URL(one), new URL(other)];
  return a.username === b.username && a.host === b.host && a.pathname === b.pathname && a.search === b.search;
};

const fileOf = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8').trim();

const follow = (url: string, read: () => string): void => {
  if (!followed.has(url)) followed.set(url, { last: url, read });
};

/** The URL with which a connection is opened now. */
export const liveUrl = (url: string): string => {
  const one = followed.get(url);
  if (one === undefined) return url;
  try {
    const now = one.read();
    if (isSamePlace(now, url)) one.last = now;
  } catch {
    // the last one that could be read
  }
  return one.last;
};

/** It is this from now on: for a password that no file holds. */
export const tellUrl = (url: string, now: string): void => {
  const one = followed.get(url);
  if (one) one.last = now;
  else followed.set(url, { last: now, read: () => followed.get(url)!.last });
};

/** The password in it, as text. */
export const livePassword = (url: string): string => decodeURIComponent(new URL(liveUrl(url)).password);

/** Which URLs came from which files of a folder; each may be a file or stand in the environment. */
export interface UrlFiles {
  readonly ownerUrl?: string;
  /** Its own file, or derived from the owner's. */
  readonly appUrl?: string;
}

/**
 * From now on these are read again whenever a connection is opened, in this thread. Those that no file holds stay as they are.
 *
 * @param folder `HEYBLUE_SECRETS_DIR`; empty: nothing is followed
 */
export const followUrls = (folder: string, { ownerUrl, appUrl }: UrlFiles): void => {
  if (folder === '') return;
  const holds = (name: string): boolean => {
    try {
      return fileOf(folder, name) !== '';
    } catch {
      return false;
    }
  };
  if (ownerUrl !== undefined && holds('DATABASE_URL')) follow(ownerUrl, () => fileOf(folder, 'DATABASE_URL'));
  if (appUrl === undefined) return;
  if (holds('DATABASE_APP_URL')) follow(appUrl, () => fileOf(folder, 'DATABASE_APP_URL'));
  else if (holds('DATABASE_URL')) follow(appUrl, () => derivedFrom(fileOf(folder, 'DATABASE_URL'), appUrl));
};

/** The URL of the role that serves, with the password that follows from the owner's. */
export const derivedFrom = (ownerUrl: string, appUrl: string): string => {
  const derived = new URL(appUrl);
  derived.password = encodeURIComponent(appPassword(ownerUrl));
  return derived.href;
};

/**
 * What a URL says about TLS (`?sslmode=verify-full&sslrootcert=FILE`), as the driver reads it: whoever takes host and database
 * out of the URL alone would speak plain.
 */
export const tlsOf = (url: string): boolean | ConnectionOptions =>
  // declared as whether there is any; it is what the socket gets
  (new pg.Client({ connectionString: url }) as unknown as { ssl: boolean | ConnectionOptions }).ssl;
