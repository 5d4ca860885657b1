/**
 * Commits that PostgreSQL refused as those of an older owner, read off the wire: who was refused may be too late to hear of
 * it, because a node that wakes gives up its connections before it reads them.
 */
import { STALE } from '../../../infra/postgres/migrations/holds.ts';

/** Columns of the answer of `commit_group`, the first of which are the codes. */
const COLUMNS = 5;
const DATA_ROW = 0x44;

export const staleIn = (answer: Buffer): number => {
  let stale = 0;
  for (let at = answer.indexOf(DATA_ROW); at >= 0; at = answer.indexOf(DATA_ROW, at + 1)) {
    if (at + 11 > answer.length || answer.readUInt16BE(at + 5) !== COLUMNS) continue;
    const length = answer.readUInt32BE(at + 7);
    const codes = answer.toString('latin1', at + 11, Math.min(at + 11 + length, answer.length));
    if (/^[0-9]+(,[0-9]+)*$/.test(codes))
      stale += codes.split(',').filter(code => Number(code) === STALE).length;
  }
  return stale;
};
