/** What the tests look for on the monitor's page is in this file. */
export function totalOf(items) {
  let total = 0;
  for (const item of items) {
    if (!Number.isFinite(item.price)) {
      throw new RangeError(`The price of ${item.name} is no number`);
    }
    total += item.price;
  }
  return total;
}
