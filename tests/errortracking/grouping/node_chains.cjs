// Records chains as @sentry/node writes them down: `node node_chains.cjs > node_chains.json` beside an installed SDK.
const Sentry = require('@sentry/node');
const events = [];
Sentry.init({ dsn: 'http://a@127.0.0.1:9/1', transport: () => ({ send: () => Promise.resolve({}), flush: () => Promise.resolve(true) }), beforeSend(e) { events.push(e); return null; } });
function findRate(r) { return r.eur.value; }
function price(r) { return findRate(r) * 2; }
function byWeb() { price({}); }
async function asyncPrice() { await null; price({}); }
async function run() {
  const fails = {
    plain: () => byWeb(),
    other: () => { findRate({}); },
    wrapped: () => { try { price({}); } catch (e) { throw new Error('no price for 17', { cause: e }); } },
    twice: () => { try { try { price({}); } catch (e) { throw new Error('a', { cause: e }); } } catch (e) { throw new Error('b', { cause: e }); } },
    async_: () => asyncPrice(),
    aggregate: () => Promise.any([asyncPrice(), asyncPrice()]),
    map: () => [{}].map((r) => price(r)),
    timer: () => new Promise((ok, no) => setTimeout(() => { try { price({}); } catch (e) { no(e); } }, 1)),
    klass: () => { class Cart { total() { return price({}); } } new Cart().total(); },
  };
  for (const [name, fail] of Object.entries(fails)) {
    try { await fail(); } catch (e) { Sentry.captureException(e, { tags: { name } }); }
  }
  await new Promise((ok) => setTimeout(ok, 1500));
  console.log(JSON.stringify(events));
}
run();
