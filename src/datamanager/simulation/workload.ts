// What the simulated clients do: accounts that are opened, filled, emptied into each other and closed, as closures that run
// against a database and against the sequential model alike. Each leaves a row that names it.

import type { Json } from '../../lib/json.ts'
import type { Operation, Transaction } from '../database.ts'
import type { Prng } from './prng.ts'

export type Account = { readonly balance: number; readonly text?: string }
/** The head of a family, final when it is signed; its parts are the other rows. */
export type Deal = { readonly order: number; readonly isSigned: boolean; readonly text: string }
export type Part = { readonly deal: string; readonly amount: number }
export type Bank = { account: Account; done: { readonly n: number }; deal: Deal; part: Part }

export const bankTypes = {
  account: { indexes: { balance: (account: Account) => [account.balance] } },
  done: {},
}

/** The same rows, as another version of the program declares them: an index made by another function. */
export const otherBankTypes = {
  account: { indexes: { balance: ({ balance }: Account) => [balance] } },
  done: {},
}

/** Deals become cold; with these types orders of the kinds below are given, too. */
const dealTypes = {
  deal: {
    family: {
      members: ['part'],
      isFinal: (deal: Deal) => deal.isSigned,
      entry: ({ order, isSigned, text }: Deal) => ({
        order,
        path: `/deals/${order % 2}`,
        state: isSigned ? 1 : 0,
        number: order,
        label: text.slice(0, 1),
        createdAt: order,
      }),
    },
  },
  part: {
    familyIndexes: ['byDeal'],
    indexes: { byDeal: (part: Part) => [part.deal, part.amount] },
  },
} as const

export const bankTypesWithDeals = { ...bankTypes, ...dealTypes }
export const otherBankTypesWithDeals = { ...otherBankTypes, ...dealTypes }

const dealKinds = [
  'agree',
  'sign',
  'sign',
  'recall',
  'recall',
  'recall',
  'amend',
  'forget',
  'swallow',
  'deals',
] as const
const kinds = ['deposit', 'deposit', 'transfer', 'open', 'close', 'fail', 'read', 'richest'] as const

export type Order = {
  readonly name: string
  readonly kind: (typeof kinds)[number] | (typeof dealKinds)[number]
  readonly from: string
  readonly to: string
  readonly amount: number
}

export class Refused extends Error {}

export function anOrder(number: number, random: Prng): Order {
  const account = () => `account ${random.below(6)}`
  return {
    name: `order ${number}`,
    kind: random.pick(kinds),
    from: account(),
    to: account(),
    amount: 1 + random.below(9),
  }
}

const deals = 12
/** A UUID: only such families become cold. */
const dealId = (number: number) => `00000000-0000-7000-8000-${String(number).padStart(12, '0')}`

/** As anOrder; most are about deals. */
export function anOrderWithDeals(number: number, random: Prng): Order {
  if (random.chance(0.3)) return anOrder(number, random)
  const deal = () => dealId(random.below(deals))
  return {
    name: `order ${number}`,
    kind: random.pick(dealKinds),
    from: deal(),
    to: deal(),
    amount: 1 + random.below(9),
  }
}

function isAboutDeals(kind: Order['kind']): boolean {
  return dealKinds.some((known) => known === kind)
}

/** Undefined for an order that is not about deals. */
function executeDeal({ name, kind, from, to, amount }: Order, tx: Transaction<Bank>): Json | undefined {
  const parts = (id: string) => tx.list('part', { index: 'byDeal', prefix: [id] })
  const put = (id: string, n: number) => tx.put('part', `${id}/${n}`, { deal: id, amount: amount + n })
  if (!isAboutDeals(kind)) return undefined
  const number = Number(from.slice(-12))
  const before = kind === 'deals' ? undefined : tx.get('deal', from)
  switch (kind) {
    case 'agree':
      if (before) throw new Refused(`${from} exists`)
      tx.put('deal', from, { order: number, isSigned: false, text: name })
      for (let n = 0; n < 3; n++) put(from, n)
      return null
    case 'sign':
      if (!before) throw new Refused(`${from} is no deal`)
      tx.put('deal', from, { ...before, isSigned: true })
      return before.text
    case 'recall': {
      const other = tx.get('deal', to)
      return [before?.text ?? null, other?.text ?? null, ...parts(from).map(({ id, body }) => [id, body.amount])]
    }
    case 'amend':
      if (!before) throw new Refused(`${from} is no deal`)
      put(from, amount % 4)
      if (amount % 3 === 0) tx.delete('part', `${from}/1`)
      if (amount === 9) tx.put('deal', from, { ...before, isSigned: false })
      return parts(from).length
    case 'forget': {
      const found = parts(from)
      for (const { id } of found) tx.delete('part', id)
      tx.delete('deal', from)
      return found.length
    }
    case 'swallow':
      // What is cold is no answer that a closure could keep to itself.
      try {
        tx.put('deal', to, {
          order: Number(to.slice(-12)),
          isSigned: tx.get('deal', to)?.isSigned ?? false,
          text: name,
        })
      } catch {
        return 'swallowed'
      }
      return null
    case 'deals':
      return tx
        .entries({ path: `/deals/${amount % 2}`, limit: 4, descending: amount > 4 })
        .map(({ id, state, label }) => [id, state, label])
    default:
      return undefined
  }
}

/** What an order reads, as its result; throws Refused when the accounts do not allow it. */
export function execute(order: Order, tx: Transaction<Bank>): Json {
  const { kind, from, to, amount } = order
  const balance = (id: string) => tx.get('account', id)?.balance
  if (kind === 'read') return summary(tx)
  // Half of them list nothing: those are evaluated over records that are not written yet.
  tx.put('done', order.name, { n: amount % 2 === 0 ? tx.count('done') : -amount })
  const ofDeal = executeDeal(order, tx)
  if (ofDeal !== undefined) return ofDeal
  switch (kind) {
    case 'deposit':
      tx.put('account', to, { balance: (balance(to) ?? 0) + amount })
      return balance(to) ?? null
    case 'transfer': {
      const before = balance(from) ?? 0
      tx.put('account', from, { balance: before - amount })
      tx.put('account', to, { balance: (balance(to) ?? 0) + amount })
      if (before < amount) throw new Refused(`${from} has ${before}`)
      return before
    }
    case 'open':
      if (balance(to) !== undefined) throw new Refused(`${to} exists`)
      tx.put('account', to, { balance: amount })
      return null
    case 'close': {
      const before = balance(from) ?? null
      tx.delete('account', from)
      return before
    }
    case 'fail':
      tx.delete('account', from)
      tx.put('account', to, { balance: 1_000_000 })
      throw new Refused('always')
    case 'richest': {
      const text = JSON.stringify(
        tx.list('account', { index: 'balance', descending: true, limit: 3 }).map(({ id, body }) => [id, body.balance]),
      )
      tx.put('account', 'richest', { balance: 0, text })
      return text
    }
    default:
      throw new Error(`nobody executes ${kind}`)
  }
}

function summary(tx: Transaction<Bank>): Json {
  const accounts = tx.list('account', { index: 'balance' })
  return [tx.count('done'), accounts.reduce((sum, { body }) => sum + body.balance, 0), accounts[0]?.id ?? null]
}

/** The sequential model: rows as text in a map, everything else recomputed each time. */
export class ModelBank {
  rows = new Map<string, string>()

  /** Runs one order alone; undefined as operations when it was refused. */
  run(order: Order): { readonly result: Json; readonly operations: readonly Operation[] } | undefined {
    const before = new Map(this.rows)
    const operations: Operation[] = []
    try {
      return { result: execute(order, modelTransaction(this.rows, operations)), operations }
    } catch (error) {
      if (!(error instanceof Refused)) throw error
      this.rows = before
      return undefined
    }
  }
}

function modelTransaction(rows: Map<string, string>, operations: Operation[]): Transaction<Bank> {
  const key = (type: string, id: string) => `${type}\0${id}`
  const all = (type: string) =>
    [...rows]
      .filter(([name]) => name.startsWith(`${type}\0`))
      .map(([name, body]) => ({ id: name.slice(type.length + 1), body: JSON.parse(body) as never, changedAt: 0 }))
      .sort((a, b) => (a.id < b.id ? -1 : 1))
  return {
    get(type, id) {
      const body = rows.get(key(type, id))
      return body === undefined ? undefined : (JSON.parse(body) as never)
    },
    list(type, { index, prefix, descending, limit } = {}) {
      if (index === 'byDeal')
        return all(type)
          .filter(({ body }) => (body as Part).deal === prefix?.[0])
          .sort((a, b) => (a.body as Part).amount - (b.body as Part).amount)
      const found = all(type)
      if (index) found.sort((a, b) => (a.body as Account).balance - (b.body as Account).balance) // stable: then by id
      if (descending) found.reverse()
      return found.slice(0, limit)
    },
    count: (type) => all(type).length,
    entries({ path = '', limit, descending = false }) {
      const found = all('deal').map(({ id, body }) => ({ id, ...dealTypes.deal.family.entry(body) }))
      found.sort((a, b) => (a.order - b.order) * (descending ? -1 : 1))
      return found.filter((entry) => entry.path === path).slice(0, limit)
    },
    entry: () => undefined,
    removableEntries: () => [],
    repeatingEntries: () => [],
    put(type, id, body) {
      const text = JSON.stringify(body)
      if (rows.get(key(type, id)) === text) return
      rows.set(key(type, id), text)
      operations.push({ kind: 'put', type, id, body: JSON.parse(text) as Json })
    },
    delete(type, id) {
      if (rows.delete(key(type, id))) operations.push({ kind: 'delete', type, id })
    },
  }
}
