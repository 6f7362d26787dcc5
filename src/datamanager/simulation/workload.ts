// What the simulated clients do: accounts that are opened, filled, emptied into each other and closed, as closures that run
// against a database and against the sequential model alike. Each leaves a row that names it.

import type { Json } from '../../lib/json.ts'
import type { Operation, Transaction } from '../database.ts'
import type { Prng } from './prng.ts'

export type Account = { readonly balance: number; readonly text?: string }
export type Bank = { account: Account; done: { readonly n: number } }

export const bankTypes = {
  account: { indexes: { balance: (account: Account) => [account.balance] } },
  done: {},
}

/** The same rows, as another version of the program declares them: an index made by another function. */
export const otherBankTypes = {
  account: { indexes: { balance: ({ balance }: Account) => [balance] } },
  done: {},
}

const kinds = ['deposit', 'deposit', 'transfer', 'open', 'close', 'fail', 'read', 'richest'] as const

export type Order = {
  readonly name: string
  readonly kind: (typeof kinds)[number]
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

/** What an order reads, as its result; throws Refused when the accounts do not allow it. */
export function execute(order: Order, tx: Transaction<Bank>): Json {
  const { kind, from, to, amount } = order
  const balance = (id: string) => tx.get('account', id)?.balance
  if (kind === 'read') return summary(tx)
  tx.put('done', order.name, { n: tx.count('done') })
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
    list(type, { index, descending, limit } = {}) {
      const found = all(type)
      if (index) found.sort((a, b) => (a.body as Account).balance - (b.body as Account).balance) // stable: then by id
      if (descending) found.reverse()
      return found.slice(0, limit)
    },
    count: (type) => all(type).length,
    // No type of this workload has families.
    entries: () => [],
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
