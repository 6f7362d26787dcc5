// The messages of etcd's gRPC interface that are used here, and nothing else: field names and numbers as in version 3.4
// (etcdserver/etcdserverpb/rpc.proto, mvcc/mvccpb/kv.proto). Written as protobuf.js descriptors, so that no file has to
// be found at run time. Fields that are not named are skipped by the decoder.

type Field = { readonly type: string; readonly id: number; readonly rule?: 'repeated' }
type Message = {
  fields: Record<string, Field>
  oneofs?: Record<string, { oneof: string[] }>
}

const field = (type: string, id: number): Field => ({ type, id })
const repeated = (type: string, id: number): Field => ({ type, id, rule: 'repeated' })
const message = (fields: Record<string, Field>): Message => ({ fields })
const choice = (name: string, fields: Record<string, Field>): Message => ({
  fields,
  oneofs: { [name]: { oneof: Object.keys(fields) } },
})
const call = (requestType: string, responseType: string) => ({ requestType, responseType, comment: '' })
const stream = (requestType: string, responseType: string) => ({
  ...call(requestType, responseType),
  requestStream: true,
  responseStream: true,
})

const header = field('ResponseHeader', 1)

/** Descriptor of the package `etcdserverpb` for @grpc/proto-loader's fromJSON. */
export const etcdProtocol = {
  nested: {
    mvccpb: {
      nested: {
        KeyValue: message({
          key: field('bytes', 1),
          create_revision: field('int64', 2),
          mod_revision: field('int64', 3),
          value: field('bytes', 5),
          lease: field('int64', 6),
        }),
        EventType: { values: { PUT: 0, DELETE: 1 } },
        Event: message({ type: field('EventType', 1), kv: field('KeyValue', 2) }),
      },
    },
    etcdserverpb: {
      nested: {
        ResponseHeader: message({ revision: field('int64', 3) }),

        KV: {
          methods: {
            Range: call('RangeRequest', 'RangeResponse'),
            DeleteRange: call('DeleteRangeRequest', 'DeleteRangeResponse'),
            Txn: call('TxnRequest', 'TxnResponse'),
          },
        },
        RangeRequest: message({
          key: field('bytes', 1),
          range_end: field('bytes', 2),
          limit: field('int64', 3),
          revision: field('int64', 4),
          keys_only: field('bool', 8),
        }),
        RangeResponse: message({ header, kvs: repeated('mvccpb.KeyValue', 2), more: field('bool', 3) }),
        PutRequest: message({ key: field('bytes', 1), value: field('bytes', 2), lease: field('int64', 3) }),
        PutResponse: message({ header }),
        DeleteRangeRequest: message({ key: field('bytes', 1), range_end: field('bytes', 2) }),
        DeleteRangeResponse: message({ header, deleted: field('int64', 2) }),
        RequestOp: choice('request', {
          request_range: field('RangeRequest', 1),
          request_put: field('PutRequest', 2),
          request_delete_range: field('DeleteRangeRequest', 3),
        }),
        ResponseOp: choice('response', {
          response_range: field('RangeResponse', 1),
          response_put: field('PutResponse', 2),
          response_delete_range: field('DeleteRangeResponse', 3),
        }),
        CompareResult: { values: { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 } },
        CompareTarget: { values: { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3, LEASE: 4 } },
        Compare: {
          fields: {
            result: field('CompareResult', 1),
            target: field('CompareTarget', 2),
            key: field('bytes', 3),
            create_revision: field('int64', 5),
            value: field('bytes', 7),
          },
          oneofs: { target_union: { oneof: ['create_revision', 'value'] } },
        },
        TxnRequest: message({
          compare: repeated('Compare', 1),
          success: repeated('RequestOp', 2),
          failure: repeated('RequestOp', 3),
        }),
        TxnResponse: message({ header, succeeded: field('bool', 2), responses: repeated('ResponseOp', 3) }),

        Watch: { methods: { Watch: stream('WatchRequest', 'WatchResponse') } },
        WatchRequest: choice('request_union', { create_request: field('WatchCreateRequest', 1) }),
        WatchCreateRequest: message({
          key: field('bytes', 1),
          range_end: field('bytes', 2),
          start_revision: field('int64', 3),
        }),
        WatchResponse: message({
          header,
          created: field('bool', 3),
          canceled: field('bool', 4),
          compact_revision: field('int64', 5),
          cancel_reason: field('string', 6),
          events: repeated('mvccpb.Event', 11),
        }),

        Lease: {
          methods: {
            LeaseGrant: call('LeaseGrantRequest', 'LeaseGrantResponse'),
            LeaseRevoke: call('LeaseRevokeRequest', 'LeaseRevokeResponse'),
            LeaseKeepAlive: stream('LeaseKeepAliveRequest', 'LeaseKeepAliveResponse'),
          },
        },
        LeaseGrantRequest: message({ TTL: field('int64', 1), ID: field('int64', 2) }),
        LeaseGrantResponse: message({ header, ID: field('int64', 2), TTL: field('int64', 3) }),
        LeaseRevokeRequest: message({ ID: field('int64', 1) }),
        LeaseRevokeResponse: message({ header }),
        LeaseKeepAliveRequest: message({ ID: field('int64', 1) }),
        LeaseKeepAliveResponse: message({ header, ID: field('int64', 2), TTL: field('int64', 3) }),

        Auth: { methods: { Authenticate: call('AuthenticateRequest', 'AuthenticateResponse') } },
        AuthenticateRequest: message({ name: field('string', 1), password: field('string', 2) }),
        AuthenticateResponse: message({ header, token: field('string', 2) }),
      },
    },
  },
}
