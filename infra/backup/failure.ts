/** What ends a backup or a restore with one sentence for people. */
export class BackupFailure extends Error {
  override name = 'BackupFailure';
}
