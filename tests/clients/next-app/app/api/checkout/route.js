import { totalOf } from '../../cart';

export const dynamic = 'force-dynamic';

export function GET() {
  return Response.json({ total: totalOf([{ name: 'paper', price: undefined }]) });
}
