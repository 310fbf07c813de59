package redis

import "strings"

// shape is how an answer that is a list becomes rows.
type shape int

const (
	shapeList    shape = iota // one row for each element
	shapePairs                // field and value
	shapeScores               // member and score, when the answer has scores
	shapeEntries              // of a stream: id and fields
	shapeStreams              // entries of several streams
	shapeScan                 // a cursor, and the elements of a page
)

// command is one that an operation may name.
type command struct {
	name   string // "HGETALL", "OBJECT ENCODING"
	writes bool
	shape  shape
	known  bool // reads nothing of the data: the server does not call it one that reads
}

func find(name string) (command, bool) {
	for _, group := range commands() {
		for known := range strings.SplitSeq(group.names, ", ") {
			if known == name {
				return command{name: name, writes: group.writes, shape: group.shape, known: group.known}, true
			}
		}
	}
	return command{}, false
}

type group struct {
	names  string
	writes bool
	shape  shape
	known  bool
}

// commands lists them all. What is not here cannot be saved; those that are left
// out on purpose have their reason in refusals.
func commands() []group {
	return []group{
		{names: "ECHO, PING, TIME", known: true},
		{names: "GET, GETRANGE, SUBSTR, STRLEN, MGET, BITCOUNT, BITPOS, GETBIT, BITFIELD_RO"},
		{names: "EXISTS, TYPE, TTL, PTTL, EXPIRETIME, PEXPIRETIME, DBSIZE, RANDOMKEY, SORT_RO, MEMORY USAGE, OBJECT ENCODING, OBJECT FREQ, OBJECT IDLETIME, OBJECT REFCOUNT"},
		{names: "HGET, HMGET, HKEYS, HVALS, HLEN, HEXISTS, HSTRLEN"},
		{names: "HGETALL, HRANDFIELD", shape: shapePairs},
		{names: "LRANGE, LINDEX, LLEN, LPOS"},
		{names: "SMEMBERS, SISMEMBER, SMISMEMBER, SCARD, SRANDMEMBER, SINTER, SUNION, SDIFF, SINTERCARD"},
		{names: "ZRANK, ZREVRANK, ZSCORE, ZMSCORE, ZCARD, ZCOUNT, ZLEXCOUNT, ZRANGEBYLEX, ZREVRANGEBYLEX, ZINTERCARD"},
		{names: "ZRANGE, ZREVRANGE, ZRANGEBYSCORE, ZREVRANGEBYSCORE, ZRANDMEMBER, ZDIFF, ZINTER, ZUNION", shape: shapeScores},
		{names: "XLEN, XPENDING, XINFO STREAM, XINFO GROUPS, XINFO CONSUMERS"},
		{names: "XRANGE, XREVRANGE", shape: shapeEntries},
		{names: "XREAD", shape: shapeStreams},
		{names: "SCAN, SSCAN, HSCAN, ZSCAN", shape: shapeScan},
		{names: "GEOPOS, GEODIST, GEOHASH, GEOSEARCH, PFCOUNT"},

		{names: "SET, SETEX, PSETEX, SETNX, GETSET, GETDEL, GETEX, MSET, MSETNX, APPEND, SETRANGE, SETBIT, INCR, INCRBY, INCRBYFLOAT, DECR, DECRBY", writes: true},
		{names: "DEL, UNLINK, TOUCH, EXPIRE, PEXPIRE, EXPIREAT, PEXPIREAT, PERSIST, RENAME, RENAMENX", writes: true},
		{names: "HSET, HSETNX, HMSET, HDEL, HINCRBY, HINCRBYFLOAT", writes: true},
		{names: "LPUSH, RPUSH, LPUSHX, RPUSHX, LPOP, RPOP, LINSERT, LSET, LREM, LTRIM, LMOVE, RPOPLPUSH", writes: true},
		{names: "SADD, SREM, SPOP, SMOVE, SINTERSTORE, SUNIONSTORE, SDIFFSTORE", writes: true},
		{names: "ZADD, ZREM, ZINCRBY, ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX, ZRANGESTORE, ZINTERSTORE, ZUNIONSTORE, ZDIFFSTORE", writes: true},
		{names: "ZPOPMIN, ZPOPMAX", writes: true, shape: shapeScores},
		{names: "XADD, XDEL, XTRIM, XACK, GEOADD, GEOSEARCHSTORE, PFADD, PFMERGE", writes: true},
	}
}

// refusal says why a command is not in the list.
func refusal(name string) string {
	first, _, _ := strings.Cut(name, " ")
	for _, r := range [][2]string{
		{"KEYS", "reads all keys at once and stops the server meanwhile: use SCAN"},
		{"EVAL EVALSHA EVAL_RO EVALSHA_RO FCALL FCALL_RO FUNCTION SCRIPT", "runs code on the server"},
		{"FLUSHALL FLUSHDB SWAPDB", "deletes or exchanges a whole database"},
		{"CONFIG MODULE SHUTDOWN DEBUG ACL SAVE BGSAVE BGREWRITEAOF REPLICAOF SLAVEOF CLUSTER FAILOVER LATENCY SLOWLOG INFO COMMAND CLIENT LOLWUT SYNC PSYNC REPLCONF MONITOR", "administers the server or tells about it"},
		{"MIGRATE RESTORE RESTORE-ASKING DUMP MOVE COPY", "moves data between databases or servers"},
		{"BLPOP BRPOP BRPOPLPUSH BLMOVE BLMPOP BZPOPMIN BZPOPMAX BZMPOP WAIT WAITAOF XREADGROUP", "waits on the server for others"},
		{"SUBSCRIBE PSUBSCRIBE SSUBSCRIBE UNSUBSCRIBE PUNSUBSCRIBE SUNSUBSCRIBE PUBSUB", "subscribes a connection"},
		{"PUBLISH SPUBLISH", "reaches the subscribers of all databases of the server"},
		{"SELECT MULTI EXEC DISCARD WATCH UNWATCH AUTH HELLO RESET QUIT READONLY READWRITE ASKING", "changes the state of the connection"},
		{"SORT GEORADIUS GEORADIUSBYMEMBER BITFIELD", "can write and read: use the command that does one of both, such as SORT_RO, GEOSEARCH or BITFIELD_RO"},
	} {
		for refused := range strings.FieldsSeq(r[0]) {
			if refused == first {
				return r[1]
			}
		}
	}
	return "is not a command that a query can use"
}
