//! What is known of causal environments by hand, and what sampling must recover.

use petgraph::graph::DiGraph;

use crate::causal::*;

/// Two nodes by hand: a parent of 10, and a child of 1 + 0.5 times it.
fn pair() -> Environment {
    let mut graph = DiGraph::new();
    let parent = graph.add_node(Own { intercept: 10.0, deviation: 1.0 });
    let child = graph.add_node(Own { intercept: 1.0, deviation: 1.0 });
    graph.add_edge(parent, child, 0.5);
    Environment { graph, order: vec![parent, child] }
}

fn close(found: &[f64], expected: &[f64]) -> bool {
    found.iter().zip(expected).all(|(one, other)| (one - other).abs() < 1e-9)
}

#[test]
fn means_follow_the_edges() {
    assert!(close(&pair().means(), &[10.0, 6.0]));
}

#[test]
fn an_intervention_moves_descendants_and_not_ancestors() {
    assert!(close(&pair().intervene(0, 20.0).means(), &[20.0, 11.0]));
    assert!(close(&pair().intervene(1, 20.0).means(), &[10.0, 20.0]));
}

#[test]
fn graphs_have_the_sizes_of_the_original_and_no_cycle() {
    for (nodes, edges) in EDGES {
        let environment = Environment::random(nodes, 1);
        assert_eq!(environment.nodes() as u64, nodes);
        assert_eq!(environment.graph.edge_count(), edges);
        assert!(!petgraph::algo::is_cyclic_directed(&environment.graph));
    }
    assert_eq!(Environment::random(1, 1).graph.edge_count(), 0);
}

#[test]
fn equal_seeds_give_equal_samples() {
    let environment = Environment::random(50, 3);
    assert_eq!(environment.sample(10, 4).values, environment.sample(10, 4).values);
    assert_ne!(environment.sample(10, 4).values, environment.sample(10, 5).values);
}

#[test]
fn sampling_recovers_the_interventional_means() {
    for (nodes, _) in EDGES {
        let held = Environment::random(nodes, 2).intervene(0, 100.0);
        let rows = held.sample(1000, 6);
        let beliefs = rows.beliefs();
        let accuracy = accuracy(&beliefs, &held.means());
        assert!(accuracy > 0.99, "{nodes}: {accuracy}");
        let calibration = calibration(&beliefs, &rows);
        assert!((0.94..1.0).contains(&calibration), "{nodes}: {calibration}");
    }
}

/// What is fast because it leaves the intervention out is below the floor of the contract.
#[test]
fn a_wrong_model_is_below_the_floor() {
    let environment = Environment::random(10, 2);
    let truth = environment.intervene(0, 100.0).means();
    let accuracy = accuracy(&environment.sample(1000, 6).beliefs(), &truth);
    assert!(accuracy < 0.95, "{accuracy}");
}
