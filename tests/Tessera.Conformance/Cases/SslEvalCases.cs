using Tessera.Training.Probes;

namespace Tessera.Conformance.Cases;

[Case("ssl-eval.knn")]
internal sealed class SslEvalKnn : GoldenCase
{
    private const int PlainNeighbors = 5;

    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (bank, queries) = (run.Input("bank"), run.Input("queries"));
        var (bankLabels, labels) = (run.Input("bank_labels"), run.Input("query_labels"));
        c.Expect("bank", bank.Size(0));
        c.Expect("queries", queries.Size(0));
        c.Expect("dim", queries.Size(1));
        var classes = c.Int("classes");
        var scores = NearestNeighbors.WeightedScores(queries, bank, bankLabels, classes, c.Int("k"), c.Double("temperature"));
        run.Output("scores", scores);
        Answers("weighted", scores);
        Answers($"plain{PlainNeighbors}", NearestNeighbors.Votes(queries, bank, bankLabels, classes, PlainNeighbors));

        void Answers(string name, Tensor of)
        {
            var predictions = NearestNeighbors.Predictions(of);
            run.Output($"{name}_prediction", predictions.To(run.Real));
            run.Output($"{name}_accuracy", predictions.Eq(labels).To(run.Real).Mean());
        }
    }
}
