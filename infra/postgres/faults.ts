/**
 * What an error of PostgreSQL proves. The output gate rests on this: `unavailable` and `poison` promise that nothing
 * was applied, so whatever does not prove that is `unknown`.
 */
import pg from 'pg';
import { CommitError, type CommitFault } from '../../nodes/ports.ts';

/**
 * @param sent whether the statement had left when the error came
 */
export function faultOf(error: unknown, sent: boolean): CommitFault {
  if (!sent) return 'unavailable';
  // anything but an answer of the server (reset, closed, silent): it may have been carried out
  if (!(error instanceof pg.DatabaseError) || !error.code) return 'unknown';
  const { code } = error;
  // the backend was told to end, or another one crashed: the words can come after the commit
  if (code.startsWith('57P') || code.startsWith('08')) return 'unknown';
  // a row already there under another node's hands is a race: the next try finds it
  if (code === '23505') return 'unavailable';
  // constraint, our own LGxxx, or data that the columns cannot hold
  if (code.startsWith('23') || code.startsWith('LG') || code.startsWith('22')) return 'poison';
  // every other ERROR rolled the statement back: deadlock, timeouts, no space, read only, not migrated
  return 'unavailable';
}

export function commitError(error: unknown, sent: boolean): CommitError {
  if (error instanceof CommitError) return error;
  return new CommitError(faultOf(error, sent), error instanceof Error ? error.message : String(error));
}
