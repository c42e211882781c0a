"""The tables of the old database: which are copied, with which columns, and which are not, and why."""

COPIED = frozenset(
    "mem_memories mem_memories_stats mem_branches mem_snapshots mem_user_state mem_edit_log mem_retrieval_feedback"
    " mem_user_retrieval_params mem_entities mem_memory_entity_links mem_entity_links mem_api_keys mem_tool_usage"
    " mem_governance_cooldown".split()
)
SKIPPED = {
    "mem_user_registry": "rebuilt: every user gets a database of their own",
    "mem_schema_meta": "the new databases have a schema of their own",
    "mem_distributed_locks": "runtime state",
    "mem_async_tasks": "runtime state",
    "mem_api_call_log": "counters start anew",
    "mem_governance_runtime_state": "runtime state",
    "mem_metrics_user_state": "computed anew",
    "mem_metrics_user_rollups": "computed anew",
    "memory_graph_nodes": "derived: links are found anew in the texts",
    "memory_graph_edges": "derived: links are found anew in the texts",
    "mem_groups": "groups are not migrated",
    "mem_group_members": "groups are not migrated",
    "mem_user_memory_config": "no counterpart",
}
SKIPPED_PREFIXES = {"srv_": "counters start anew", "mem_plugin_": "plugins have no counterpart"}

# What is used of each copied table.
COLUMNS = {
    "mem_memories": "memory_id user_id author_id subject_id memory_type content embedding session_id source_event_ids"
    " extra_metadata is_active superseded_by trust_tier initial_confidence observed_at created_at updated_at",
    "mem_memories_stats": "memory_id access_count last_accessed_at feedback_useful feedback_irrelevant"
    " feedback_outdated feedback_wrong last_feedback_at",
    "mem_branches": "id user_id name table_name status created_at",
    "mem_snapshots": "id user_id name snapshot_name extra status created_at",
    "mem_user_state": "user_id active_branch updated_at",
    "mem_edit_log": "edit_id user_id memory_id operation payload reason snapshot_before created_at created_by",
    "mem_retrieval_feedback": "id user_id memory_id signal context created_at",
    "mem_user_retrieval_params": "user_id feedback_weight temporal_decay_hours confidence_weight updated_at",
    "mem_entities": "entity_id user_id name display_name entity_type embedding created_at",
    "mem_memory_entity_links": "memory_id entity_id user_id source weight created_at",
    "mem_entity_links": "id user_id memory_id entity_name entity_type source created_at",
    "mem_api_keys": "key_id user_id group_id name key_hash key_prefix is_active created_at expires_at last_used_at",
    "mem_tool_usage": "user_id tool_name last_used_at",
    "mem_governance_cooldown": "user_id operation last_run_at",
}
# Without these a table means nothing; what else is lacking was not there yet in older versions.
REQUIRED = {
    "mem_memories": "memory_id user_id memory_type content created_at",
    "mem_memories_stats": "memory_id",
    "mem_branches": "user_id name",
    "mem_snapshots": "user_id name snapshot_name",
    "mem_user_state": "user_id active_branch",
    "mem_edit_log": "edit_id user_id operation",
    "mem_retrieval_feedback": "id user_id memory_id signal",
    "mem_user_retrieval_params": "user_id feedback_weight temporal_decay_hours confidence_weight",
    "mem_entities": "entity_id user_id name",
    "mem_memory_entity_links": "memory_id entity_id user_id source",
    "mem_entity_links": "user_id memory_id entity_name",
    "mem_api_keys": "key_id user_id name key_hash key_prefix created_at",
    "mem_tool_usage": COLUMNS["mem_tool_usage"],
    "mem_governance_cooldown": COLUMNS["mem_governance_cooldown"],
}
# What a column meant before there was one.
BEFORE = {("mem_branches", "status"): "'active'", ("mem_snapshots", "status"): "'active'"}
