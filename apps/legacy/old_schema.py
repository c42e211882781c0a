"""The tables of the earlier server's single database, in its own column types. Only what makes up such a database
needs them: a migration takes tables as it finds them.
"""

from dataclasses import dataclass

BYTEWISE, FOLDED = "utf8mb4_nopad_bin", "utf8mb4_general_ci"
"""How a table compares texts: ids byte by byte where they are keys, and elsewhere as a server does by default."""


@dataclass(frozen=True)
class Table:
    """Columns in their order, and the keys of MySQL-protocol servers."""

    columns: str
    primary: str = ""
    keys: tuple[str, ...] = ()
    """Those that are unique begin with UNIQUE."""
    collation: str = BYTEWISE

    @property
    def names(self) -> list[str]:
        return [column.split()[0].strip("`") for column in self.columns.split(", ")]

    @property
    def json(self) -> set[int]:
        """Which columns hold JSON."""
        return {n for n, column in enumerate(self.columns.split(", ")) if " JSON" in column}

    def mysql(self, name: str) -> str:
        parts = [self.columns]
        if self.primary:
            parts.append(f"PRIMARY KEY ({self.primary})")
        for number, key in enumerate(self.keys):
            unique = key.removeprefix("UNIQUE ")
            kind = "UNIQUE KEY" if unique != key else "KEY"
            parts.append(f"{kind} k{number} ({unique})")
        return f"CREATE TABLE {name} ({', '.join(parts)}) DEFAULT CHARSET utf8mb4 COLLATE {self.collation}"

    def sqlite(self, name: str) -> str:
        """The same columns; of the keys only the primary one."""
        columns = self.columns.replace(" JSON", " TEXT").replace(" BIGINT AUTO_INCREMENT", " INTEGER")
        primary = f", PRIMARY KEY ({self.primary})" if self.primary else ""
        return f"CREATE TABLE {name} ({columns}{primary})"


MEMORIES = Table(
    # The old engine's vectors have no type here: texts of numbers or float32 bytes, as whoever moved them left them.
    "memory_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, author_id VARCHAR(64), subject_id VARCHAR(128),"
    " memory_type VARCHAR(20) NOT NULL, content TEXT NOT NULL, embedding MEDIUMBLOB, session_id VARCHAR(64),"
    " source_event_ids JSON NOT NULL, extra_metadata JSON, is_active TINYINT NOT NULL DEFAULT 1,"
    " superseded_by VARCHAR(64), trust_tier VARCHAR(10) DEFAULT 'T1', initial_confidence FLOAT DEFAULT 0.95,"
    " observed_at DATETIME(6) NOT NULL, created_at DATETIME(6) NOT NULL, updated_at DATETIME(6)",
    "memory_id",
    (
        "user_id, is_active, memory_type",
        "user_id, session_id",
        "user_id, observed_at",
        "author_id",
        "user_id, subject_id, is_active, memory_type",
    ),
)

_COUNTS = ", ".join(
    f"feedback_{signal} INT DEFAULT 0" for signal in ("useful", "irrelevant", "outdated", "wrong")
)
_VERSIONED = "plugin_key VARCHAR(128), version VARCHAR(32)"

USER_TABLES = {
    "mem_memories": MEMORIES,
    "mem_memories_stats": Table(
        "memory_id VARCHAR(64) NOT NULL, access_count INT DEFAULT 0, last_accessed_at DATETIME(6),"
        f" {_COUNTS}, last_feedback_at DATETIME(6)",
        "memory_id",
        collation=FOLDED,
    ),
    "mem_user_state": Table(
        "user_id VARCHAR(64) NOT NULL, active_branch VARCHAR(100) NOT NULL DEFAULT 'main', updated_at DATETIME(6)",
        "user_id",
    ),
    "mem_branches": Table(
        "id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, name VARCHAR(100), table_name VARCHAR(100),"
        " status VARCHAR(20) DEFAULT 'active', created_at DATETIME(6)",
        "id",
        ("user_id, name",),
    ),
    "mem_snapshots": Table(
        "id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, name VARCHAR(100), snapshot_name VARCHAR(100),"
        " extra JSON, status VARCHAR(20), created_at DATETIME(6)",
        "id",
        ("user_id, name, status", "user_id, snapshot_name, status"),
        FOLDED,
    ),
    "mem_edit_log": Table(
        "edit_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, memory_id VARCHAR(64), operation VARCHAR(64) NOT NULL,"
        " payload JSON, reason TEXT, snapshot_before VARCHAR(64), created_at DATETIME(6), created_by VARCHAR(64) NOT NULL",
        keys=("user_id, created_at", "memory_id, created_at"),
    ),
    "mem_retrieval_feedback": Table(
        "id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, memory_id VARCHAR(64) NOT NULL, `signal` VARCHAR(16),"
        " context TEXT, created_at DATETIME(6)",
        "id",
        ("user_id, created_at", "memory_id", "user_id, memory_id", "created_at"),
    ),
    "mem_user_retrieval_params": Table(
        "user_id VARCHAR(64) NOT NULL, feedback_weight DOUBLE DEFAULT 0.1, temporal_decay_hours DOUBLE DEFAULT 168.0,"
        " confidence_weight DOUBLE DEFAULT 0.1, updated_at DATETIME(6)",
        "user_id",
    ),
    "mem_entities": Table(
        "entity_id VARCHAR(32) NOT NULL, user_id VARCHAR(64) NOT NULL, name VARCHAR(200) NOT NULL,"
        " display_name VARCHAR(200), entity_type VARCHAR(20) DEFAULT 'concept', embedding MEDIUMBLOB, created_at DATETIME(6)",
        "entity_id",
        ("UNIQUE user_id, name", "user_id"),
    ),
    "mem_memory_entity_links": Table(
        "memory_id VARCHAR(64) NOT NULL, entity_id VARCHAR(32) NOT NULL, user_id VARCHAR(64) NOT NULL,"
        " source VARCHAR(10) DEFAULT 'regex', weight FLOAT DEFAULT 0.8, created_at DATETIME(6)",
        "memory_id, entity_id",
        ("user_id, entity_id", "entity_id, user_id"),
    ),
    "mem_entity_links": Table(
        "id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, memory_id VARCHAR(64), entity_name VARCHAR(200),"
        " entity_type VARCHAR(50) DEFAULT 'concept', source VARCHAR(20) DEFAULT 'manual', created_at DATETIME(6)",
        "id",
        ("user_id, memory_id", "user_id, entity_name"),
    ),
    "mem_tool_usage": Table(
        "user_id VARCHAR(64) NOT NULL, tool_name VARCHAR(128) NOT NULL, last_used_at DATETIME(6) NOT NULL",
        "user_id, tool_name",
    ),
    "mem_governance_cooldown": Table(
        "user_id VARCHAR(64) NOT NULL, operation VARCHAR(32) NOT NULL, last_run_at DATETIME(6) NOT NULL",
        "user_id, operation",
    ),
    "mem_api_call_log": Table(
        "id BIGINT AUTO_INCREMENT, user_id VARCHAR(64) NOT NULL, method VARCHAR(10) DEFAULT '', path VARCHAR(256),"
        " status_code SMALLINT DEFAULT 0, latency_ms INT DEFAULT 0, called_at DATETIME(6), rpc_success TINYINT DEFAULT 1,"
        " rpc_error_code INT",
        "id",
        ("user_id, called_at",),
    ),
    "memory_graph_nodes": Table(
        "node_id VARCHAR(32) NOT NULL, user_id VARCHAR(64) NOT NULL, node_type VARCHAR(10), content TEXT,"
        " entity_type VARCHAR(20), embedding MEDIUMBLOB, memory_id VARCHAR(64), session_id VARCHAR(64),"
        " confidence FLOAT DEFAULT 0.75, trust_tier VARCHAR(4) DEFAULT 'T3', importance FLOAT DEFAULT 0, source_nodes TEXT,"
        " conflicts_with VARCHAR(32), conflict_resolution VARCHAR(10), access_count INT DEFAULT 0,"
        " cross_session_count INT DEFAULT 0, is_active SMALLINT DEFAULT 1, superseded_by VARCHAR(32), created_at DATETIME(6)",
        "node_id",
        ("memory_id", "user_id, conflicts_with", "user_id, is_active, node_type"),
    ),
    "memory_graph_edges": Table(
        "source_id VARCHAR(32) NOT NULL, target_id VARCHAR(32) NOT NULL, edge_type VARCHAR(15) NOT NULL,"
        " weight FLOAT NOT NULL, user_id VARCHAR(64)",
        "source_id, target_id, edge_type",
        ("user_id", "target_id"),
    ),
    "mem_schema_meta": Table(
        "schema_key VARCHAR(64) NOT NULL, schema_version BIGINT NOT NULL, updated_at DATETIME(6) NOT NULL",
        "schema_key",
    ),
}

SHARED_TABLES = {
    "mem_user_registry": Table(
        "user_id VARCHAR(64) NOT NULL, db_name VARCHAR(128) NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'active',"
        " created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL",
        "user_id",
        ("UNIQUE db_name", "status"),
    ),
    "mem_api_keys": Table(
        "key_id VARCHAR(36) NOT NULL, user_id VARCHAR(64) NOT NULL, group_id VARCHAR(64), name VARCHAR(100) NOT NULL,"
        " key_hash VARCHAR(64) NOT NULL, key_prefix VARCHAR(12) NOT NULL, is_active TINYINT NOT NULL DEFAULT 1,"
        " created_at DATETIME(6) NOT NULL, expires_at DATETIME(6), last_used_at DATETIME(6)",
        "key_id",
        ("key_hash", "user_id, is_active", "group_id, is_active"),
    ),
    "mem_groups": Table(
        "group_id VARCHAR(64) NOT NULL, group_name VARCHAR(128) NOT NULL, db_name VARCHAR(128) NOT NULL,"
        " owner_user_id VARCHAR(64) NOT NULL, status VARCHAR(20) NOT NULL DEFAULT 'active', created_at DATETIME(6) NOT NULL,"
        " updated_at DATETIME(6) NOT NULL",
        "group_id",
        ("UNIQUE db_name", "status"),
    ),
    "mem_group_members": Table(
        "group_id VARCHAR(64) NOT NULL, user_id VARCHAR(64) NOT NULL, display_name VARCHAR(128),"
        " role VARCHAR(20) NOT NULL DEFAULT 'member', is_active TINYINT NOT NULL DEFAULT 1, joined_at DATETIME(6) NOT NULL,"
        " removed_at DATETIME(6)",
        "group_id, user_id",
        ("user_id, is_active",),
    ),
    "mem_distributed_locks": Table(
        "lock_key VARCHAR(128) NOT NULL, holder_id VARCHAR(128) NOT NULL, acquired_at DATETIME(6) NOT NULL,"
        " expires_at DATETIME(6) NOT NULL",
        "lock_key",
        ("expires_at",),
    ),
    "mem_async_tasks": Table(
        "task_id VARCHAR(64) NOT NULL, instance_id VARCHAR(128) NOT NULL, user_id VARCHAR(64) NOT NULL DEFAULT '',"
        " status VARCHAR(16) NOT NULL DEFAULT 'processing', result_json JSON, error_json JSON, created_at DATETIME(6) NOT NULL,"
        " updated_at DATETIME(6) NOT NULL",
        "task_id",
        ("status, created_at",),
    ),
    "mem_governance_runtime_state": Table(
        "strategy_key VARCHAR(128) NOT NULL, task VARCHAR(32) NOT NULL, failure_count INT NOT NULL DEFAULT 0,"
        " circuit_open_until DATETIME(6), updated_at DATETIME(6) NOT NULL",
        "strategy_key, task",
    ),
    "mem_plugin_signers": Table(
        "signer VARCHAR(128) NOT NULL, algorithm VARCHAR(32) NOT NULL, public_key TEXT NOT NULL,"
        " is_active TINYINT NOT NULL DEFAULT 1, created_at DATETIME(6) NOT NULL, updated_at DATETIME(6) NOT NULL,"
        " created_by VARCHAR(64) NOT NULL",
        "signer",
    ),
    "mem_plugin_packages": Table(
        f"{_VERSIONED}, domain VARCHAR(32) NOT NULL, name VARCHAR(128) NOT NULL, runtime VARCHAR(32) NOT NULL,"
        " manifest_json TEXT NOT NULL, package_payload LONGTEXT NOT NULL, sha256 VARCHAR(128) NOT NULL, signature TEXT NOT NULL,"
        " signer VARCHAR(128) NOT NULL, status VARCHAR(16) NOT NULL DEFAULT 'active', published_at DATETIME(6) NOT NULL,"
        " published_by VARCHAR(64) NOT NULL",
        "plugin_key, version",
        ("domain, status", "signer"),
    ),
    "mem_plugin_bindings": Table(
        f"domain VARCHAR(32), binding_key VARCHAR(64), {_VERSIONED}, updated_at DATETIME(6) NOT NULL,"
        " updated_by VARCHAR(64) NOT NULL",
        "domain, binding_key",
    ),
    "mem_plugin_reviews": Table(
        f"{_VERSIONED}, review_status VARCHAR(16) NOT NULL DEFAULT 'pending', score DOUBLE NOT NULL DEFAULT 0,"
        " review_notes TEXT NOT NULL, reviewed_at DATETIME(6) NOT NULL, reviewed_by VARCHAR(64) NOT NULL",
        "plugin_key, version",
    ),
    "mem_plugin_binding_rules": Table(
        "rule_id VARCHAR(64) NOT NULL, domain VARCHAR(32), binding_key VARCHAR(64), subject_key VARCHAR(128),"
        " priority BIGINT DEFAULT 100, plugin_key VARCHAR(128), selector_kind VARCHAR(16), selector_value VARCHAR(64),"
        " rollout_percent BIGINT DEFAULT 100, transport_endpoint TEXT, status VARCHAR(16) DEFAULT 'active',"
        " updated_at DATETIME(6), updated_by VARCHAR(64)",
        "rule_id",
        ("UNIQUE domain, binding_key, subject_key, priority",),
    ),
    "mem_plugin_audit_events": Table(
        "event_id VARCHAR(64) NOT NULL, domain VARCHAR(32), binding_key VARCHAR(64), subject_key VARCHAR(128),"
        f" {_VERSIONED}, event_type VARCHAR(32), status VARCHAR(16), message TEXT, metadata_json JSON, created_at DATETIME(6),"
        " actor VARCHAR(64)",
        "event_id",
        ("domain, binding_key, plugin_key, created_at",),
    ),
    "mem_metrics_user_state": Table(
        "user_id VARCHAR(64) NOT NULL, pending_mask BIGINT UNSIGNED DEFAULT 0, has_pending TINYINT DEFAULT 0,"
        " change_version BIGINT UNSIGNED DEFAULT 0, next_eligible_at DATETIME(6) NOT NULL,"
        " last_refreshed_version BIGINT UNSIGNED DEFAULT 0, refreshed_at DATETIME(6), claim_token VARCHAR(64),"
        " claim_expires_at DATETIME(6), last_error_kind VARCHAR(32), last_error_at DATETIME(6), updated_at DATETIME(6) NOT NULL",
        "user_id",
        ("has_pending, next_eligible_at", "claim_expires_at"),
    ),
    "mem_metrics_user_rollups": Table(
        "user_id VARCHAR(64) NOT NULL, family VARCHAR(32) NOT NULL, bucket VARCHAR(64) NOT NULL, value BIGINT NOT NULL,"
        " refreshed_version BIGINT UNSIGNED NOT NULL, updated_at DATETIME(6) NOT NULL",
        "user_id, family, bucket",
        ("family, bucket", "user_id, family"),
    ),
    "mem_user_memory_config": Table("params_json TEXT, updated_at DATETIME(6)"),
    "srv_user_stats": Table(
        "user_id VARCHAR(64) NOT NULL, total_memories BIGINT DEFAULT 0, active_memories BIGINT DEFAULT 0,"
        " inactive_memories BIGINT DEFAULT 0, total_entities BIGINT DEFAULT 0, total_edits BIGINT DEFAULT 0, updated_at DATETIME",
        "user_id",
    ),
    "srv_user_metric_detail": Table(
        "user_id VARCHAR(64) NOT NULL, metric VARCHAR(64) NOT NULL, dim_key VARCHAR(128) NOT NULL, cnt BIGINT DEFAULT 0",
        "user_id, metric, dim_key",
    ),
    "srv_daily_stats": Table(
        "dt DATE NOT NULL, metric VARCHAR(64) NOT NULL, cnt BIGINT DEFAULT 0", "dt, metric"
    ),
    "srv_user_api_stats": Table(
        "user_id VARCHAR(64) NOT NULL, total_calls BIGINT DEFAULT 0, mcp_calls BIGINT DEFAULT 0, mcp_errors BIGINT DEFAULT 0,"
        " first_mcp_call DATETIME, updated_at DATETIME",
        "user_id",
    ),
    "srv_mcp_path_stats": Table("path VARCHAR(128) NOT NULL, cnt BIGINT DEFAULT 0", "path"),
}

TABLES = USER_TABLES | SHARED_TABLES
