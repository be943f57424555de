"""Files whose tests take longest, about in that order (seconds of all tests of one, setups included).

They begin first, so that at the end of `make test` no processor waits for one that began late.
"""

LONGEST = {
    "kafka/test_oauth_cluster.py": 220,
    "acceptance/test_exactness.py": 180,
    "acceptance/test_quiet_fleet.py": 170,
    "kafka/test_handover.py": 120,
    "kafka/test_engine_exact.py": 110,
    "demo/test_demo_end_to_end.py": 100,
    "demo/test_demo_rehearsal.py": 100,
    "kafka/test_schema_registry.py": 80,
    "kafka/test_dead_letters.py": 70,
    "acceptance/test_broker_failures.py": 65,
    "kafka/test_notifier.py": 60,
    "chaos/test_chaos.py": 50,
    "packaging/test_wheel.py": 50,
    "clients/test_examples.py": 50,
    "kafka/test_rolling_upgrade.py": 45,
    "kafka/test_state_on_disk.py": 45,
    "streams/test_memory_bound.py": 40,
    "kafka/test_operator_commands.py": 40,
    "kafka/test_secured_cluster.py": 35,
    "detectors/test_interval_promises.py": 30,
    "detectors/test_traffic_evidence.py": 30,
    "kafka/test_retraining.py": 25,
}
