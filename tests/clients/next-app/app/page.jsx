'use client';

import { totalOf } from './cart';

export default function Page() {
  const items = [{ name: 'résumé', price: Number('nine') }];

  function pay() {
    document.title = `Total ${totalOf(items)}`;
  }

  return (
    <button id="pay" onClick={pay}>
      Pay
    </button>
  );
}
