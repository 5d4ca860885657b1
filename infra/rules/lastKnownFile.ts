/** The rules that a node knew last, in a file of its own: it starts with them when the store is away. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Log } from '../../nodes/ports.ts';
import type { RuleVersion } from '../../nodes/rules/envelope.ts';
import type { LastKnown } from '../../nodes/rules/follower.ts';

/** Nodes of one machine may share a folder. */
const fileOf = (nodeId: string): string => `rules-${nodeId}.json`;

export class LastKnownFile implements LastKnown {
  readonly #path: string;
  readonly #log: Log;

  constructor(dataDir: string, nodeId: string, log: Log) {
    this.#path = join(dataDir, fileOf(nodeId));
    this.#log = log;
  }

  read(): unknown {
    try {
      return JSON.parse(readFileSync(this.#path, 'utf8'));
    } catch (error) {
      if ((error as { code?: string }).code !== 'ENOENT')
        this.#log.warn({ err: error }, 'the rules known last cannot be read; the built-in ones count');
    }
    return null;
  }

  write(versions: readonly RuleVersion[]): void {
    try {
      writeFileSync(`${this.#path}.new`, JSON.stringify(versions));
      renameSync(`${this.#path}.new`, this.#path);
    } catch (error) {
      this.#log.warn({ err: error }, 'the rules known last cannot be kept');
    }
  }
}
