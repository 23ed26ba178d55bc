// What a page does, and what goes wrong with it.
const PRICES = { tea: { cents: 450 } };

export function findPrice(name) {
  return PRICES[name].cents;
}

export function pay(name) {
  try {
    return findPrice(name);
  } catch (error) {
    throw new RangeError(`no price of ${name}`, { cause: error });
  }
}

export async function refund(order) {
  await null;
  throw new Error(`order ${order} was never paid`);
}
