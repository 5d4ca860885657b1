/**
 * Preloaded into every process that we start: when the parent is gone, end in good order, as if asked to.
 *
 * A killed parent sends no signal, but the ipc channel closes. The SIGTERM goes to ourselves, so that a program needs one
 * way to stop, not two; a program that does not stop then is ended by force. A parent that went while we were being loaded
 * has closed the channel before anybody could hear of it: then we do not begin.
 */
const STOP_MS_MAX = 8_000;
/** What a shell says of a program that was ended by SIGTERM. */
const EXIT_TERMINATED = 143;

if (process.connected === false) process.exit(EXIT_TERMINATED);
if (process.channel) {
  process.on('disconnect', () => {
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), STOP_MS_MAX).unref();
    process.kill(process.pid, 'SIGTERM');
  });
  // the listener alone must not keep a finished program alive
  process.channel.unref();
}
