/**
 * The smallest program that behaves towards a supervisor as a node does, for the supervisor's own tests: it says ready
 * (with its pid and database), or fails, or dies, as the variable TINY_NODE wishes, and ends when asked to. One of several
 * says who it is.
 */
const { TINY_NODE: wish = 'serve', HEYBLUE_NODE_ID: id } = process.env;
const open = setInterval(() => {}, 60_000);

process.on('SIGTERM', () => {
  if (wish === 'deaf') return;
  clearInterval(open);
  process.exit(0);
});

if (id) console.log(`tiny node ${process.pid} at ${process.env.HEYBLUE_REST_PORT}`);

if (wish === 'fail') {
  process.send?.({ type: 'failed', message: 'Port 8080 is taken: set HEYBLUE_REST_PORT to another one.' });
} else {
  const summary = [`  node ${process.pid}`, `  database ${process.env.DATABASE_URL}`];
  process.send?.({ type: 'ready', summary }, () => {
    if (wish === 'die' || wish === `die ${id}`) process.exit(7);
  });
}
