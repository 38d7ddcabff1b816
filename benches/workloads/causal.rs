//! Causal environments: linear-Gaussian models on directed acyclic graphs, and interventions on them.
//!
//! A node is the sum of its parents, each times the weight of the edge, and an intercept and noise of its
//! own. An intervention is `do` of Pearl (2009, "Causality", section 3.2): the edges into a node are
//! cut and the node is held at a value. Expectations propagate exactly along the graph, so that what
//! sampling finds can be held against the truth.

use std::f64::consts::TAU;

use petgraph::{
    Direction,
    algo::toposort,
    graph::{DiGraph, NodeIndex},
    visit::EdgeRef,
};
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// Sizes as the original has them: nodes, and the edges among so many.
pub(crate) const EDGES: [(u64, usize); 4] = [(10, 15), (50, 100), (100, 200), (500, 1000)];

/// What of a node is not its parents'.
#[derive(Debug, Clone)]
pub(crate) struct Own {
    pub(crate) intercept: f64,
    pub(crate) deviation: f64,
}

/// A linear-Gaussian model.
#[derive(Debug, Clone)]
pub(crate) struct Environment {
    pub(crate) graph: DiGraph<Own, f64>,
    /// Parents come before their children.
    pub(crate) order: Vec<NodeIndex>,
}

impl Environment {
    /// A random model of so many nodes, and of as many edges as the original has for them; twice as
    /// many as nodes for other sizes.
    pub(crate) fn random(nodes: u64, seed: u64) -> Self {
        let known = EDGES.iter().find(|(size, _)| *size == nodes);
        let nodes = usize::try_from(nodes).expect("a small number");
        let edges = known.map_or(2 * nodes, |(_, edges)| *edges);
        let edges = edges.min(nodes * nodes.saturating_sub(1) / 2);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut graph = DiGraph::with_capacity(nodes, edges);
        for _ in 0..nodes {
            let intercept = 5.0 + 5.0 * uniform(&mut random);
            graph.add_node(Own { intercept, deviation: 0.5 });
        }
        // An edge always leads to a node of a larger number, so there is no cycle.
        while graph.edge_count() < edges {
            let (one, other) = (below(&mut random, nodes), below(&mut random, nodes));
            let (from, to) = (NodeIndex::new(one.min(other)), NodeIndex::new(one.max(other)));
            if from != to && graph.find_edge(from, to).is_none() {
                graph.add_edge(from, to, 0.1 + 0.3 * uniform(&mut random));
            }
        }
        let order = toposort(&graph, None).expect("edges lead to larger numbers");
        Self { graph, order }
    }

    pub(crate) fn nodes(&self) -> usize {
        self.graph.node_count()
    }

    /// The model in which a node is held at a value, whatever its parents are.
    pub(crate) fn intervene(&self, node: usize, value: f64) -> Self {
        let mut held = self.clone();
        let node = NodeIndex::new(node);
        held.graph.retain_edges(|graph, edge| {
            graph.edge_endpoints(edge).is_none_or(|(_, to)| to != node)
        });
        held.graph[node] = Own { intercept: value, deviation: 0.0 };
        held
    }

    /// The expectation of each node.
    pub(crate) fn means(&self) -> Vec<f64> {
        let mut means = vec![0.0; self.nodes()];
        for node in &self.order {
            means[node.index()] = self.graph[*node].intercept + self.parents(*node, &means);
        }
        means
    }

    fn parents(&self, node: NodeIndex, values: &[f64]) -> f64 {
        let edges = self.graph.edges_directed(node, Direction::Incoming);
        edges.map(|edge| edge.weight() * values[edge.source().index()]).sum()
    }

    /// So many rows, one value of each node in each.
    pub(crate) fn sample(&self, rows: usize, seed: u64) -> Rows {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut values = Vec::with_capacity(rows * self.nodes());
        let mut row = vec![0.0; self.nodes()];
        for _ in 0..rows {
            for node in &self.order {
                let own = &self.graph[*node];
                let noise = own.deviation * normal(&mut random);
                row[node.index()] = own.intercept + self.parents(*node, &row) + noise;
            }
            values.extend_from_slice(&row);
        }
        Rows { values, nodes: self.nodes() }
    }
}

/// Samples of all nodes.
#[derive(Debug, Clone)]
pub(crate) struct Rows {
    pub(crate) values: Vec<f64>,
    nodes: usize,
}

/// What is believed of a node after seeing samples: a normal distribution.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Belief {
    pub(crate) mean: f64,
    pub(crate) deviation: f64,
}

impl Rows {
    /// The belief about each node.
    #[expect(clippy::cast_precision_loss, reason = "few rows")]
    pub(crate) fn beliefs(&self) -> Vec<Belief> {
        let count = (self.values.len() / self.nodes.max(1)) as f64;
        let mut sums = vec![(0.0, 0.0); self.nodes];
        for row in self.values.chunks_exact(self.nodes) {
            for ((sum, squares), value) in sums.iter_mut().zip(row) {
                *sum += value;
                *squares += value * value;
            }
        }
        let belief = |(sum, squares): (f64, f64)| {
            let mean = sum / count;
            Belief { mean, deviation: (squares / count - mean * mean).max(0.0).sqrt() }
        };
        sums.into_iter().map(belief).collect()
    }
}

/// How well beliefs recover known means: 1 less the share by which they are wrong, at least 0.
pub(crate) fn accuracy(beliefs: &[Belief], means: &[f64]) -> f64 {
    let wrong: f64 = beliefs.iter().zip(means).map(|(it, mean)| (it.mean - mean).abs()).sum();
    let whole: f64 = means.iter().map(|mean| mean.abs()).sum();
    (1.0 - wrong / whole).max(0.0)
}

/// The share of values that lie within two standard deviations of what is believed.
#[expect(clippy::cast_precision_loss, reason = "few rows")]
pub(crate) fn calibration(beliefs: &[Belief], rows: &Rows) -> f64 {
    let within = rows
        .values
        .chunks_exact(rows.nodes)
        .flat_map(|row| row.iter().zip(beliefs))
        .filter(|(value, belief)| (*value - belief.mean).abs() <= 2.0 * belief.deviation + 1e-9)
        .count();
    within as f64 / rows.values.len() as f64
}

/// From 0, below 1.
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn uniform(random: &mut ChaCha8Rng) -> f64 {
    (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
}

fn below(random: &mut ChaCha8Rng, limit: usize) -> usize {
    usize::try_from(random.next_u64() % limit as u64).expect("below a usize")
}

/// The normal distribution, by Box and Muller (1958).
fn normal(random: &mut ChaCha8Rng) -> f64 {
    let (one, other) = (1.0 - uniform(random), uniform(random));
    (-2.0 * one.ln()).sqrt() * (TAU * other).cos()
}
