/**
 * Accounts that moved to another device a short while ago. Tokens are verified without a database, so the old device's
 * token would stay good until it expires; this list ends it at once. It is as long as the moves of one token life.
 */
export class DeviceMoves {
  private readonly moves = new Map<string, { deviceId: string; untilMs: number }>();
  private readonly keepMs: number;

  /** @param keepMs life of the longest token, milliseconds */
  constructor(keepMs: number) {
    this.keepMs = keepMs;
  }

  moved(userId: string, deviceId: string, wallMs: number): void {
    for (const [id, { untilMs }] of this.moves) {
      if (untilMs > wallMs) break;
      this.moves.delete(id);
    }
    this.moves.delete(userId);
    this.moves.set(userId, { deviceId, untilMs: wallMs + this.keepMs });
  }

  /** True when the account lives on another device now. */
  left(userId: string, deviceId: string): boolean {
    const move = this.moves.get(userId);
    return move !== undefined && move.deviceId !== deviceId;
  }
}
