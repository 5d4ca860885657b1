/**
 * The login of the nodes at PostgreSQL, in files that they follow (`HEYBLUE_SECRETS_DIR`), so that its password can be changed
 * while they work: what an operator does when one has leaked, old sessions ended with it. The key that signs tokens is
 * followed by another one in the same breath.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { keyFileOf, replaceKeys, type StoredKeys } from '../../../infra/keys.ts';
import { withRole } from '../../../infra/postgres/migrate.ts';
import { addTokenKey } from '../../../infra/rotateKeys.ts';
import { withClient } from '../../swarm/postgres.ts';

const ROLE = 'heyblue_rotated';
const SETTING = 'DATABASE_APP_URL';
const secret = (): string => randomBytes(18).toString('base64url');

export class Logins {
  readonly #databaseUrl: string;
  readonly #dataDir: string;
  /** Folder of each node, and the address under which it knows PostgreSQL. */
  readonly #folders = new Map<string, string>();
  #password = secret();

  private constructor(databaseUrl: string, dataDir: string) {
    this.#databaseUrl = databaseUrl;
    this.#dataDir = dataDir;
  }

  /** The first node to start migrates, and gives the role its rights: a mutant's tables are made by the mutant. */
  static async open(databaseUrl: string, dataDir: string): Promise<Logins> {
    const logins = new Logins(databaseUrl, dataDir);
    await logins.#sql(`create role ${ROLE} login password '${logins.#password}'`);
    return logins;
  }

  /** @param url the database as this node reaches it; answers its `HEYBLUE_SECRETS_DIR` */
  folderOf(id: string, url: string): string {
    const folder = join(this.#dataDir, `secrets-${id}`);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#folders.set(folder, url);
    this.#put(folder, url);
    return folder;
  }

  /** The next password and the next key. Answers how many sessions of the old password were ended. */
  async rotate(): Promise<number> {
    this.#password = secret();
    for (const [folder, url] of this.#folders) this.#put(folder, url);
    await this.#sql(`alter role ${ROLE} password '${this.#password}'`);
    const ended = await this.#sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where usename = '${ROLE}'`,
    );
    const keys = JSON.parse(readFileSync(keyFileOf(this.#dataDir), 'utf8')) as StoredKeys;
    const added = addTokenKey(keys, Date.now(), 0);
    if (!added.ok) throw new Error(added.said);
    replaceKeys(this.#dataDir, added.stored);
    return ended;
  }

  /** As Kubernetes lays secrets: the new text is there at once. */
  #put(folder: string, url: string): void {
    const coming = join(folder, `.${SETTING}`);
    writeFileSync(coming, withRole(url, ROLE, this.#password), { mode: 0o600 });
    renameSync(coming, join(folder, SETTING));
  }

  /** Rows that the statement gave. */
  async #sql(text: string): Promise<number> {
    const { rowCount } = await withClient(this.#databaseUrl, client => client.query(text), 'chaos');
    return rowCount ?? 0;
  }
}
