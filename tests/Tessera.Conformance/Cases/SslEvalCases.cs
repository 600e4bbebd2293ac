using Tessera.Optim;
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

[Case("ssl-eval.linear-probe", Steps = true)]
internal sealed class SslEvalLinearProbe : GoldenCase
{
    public override void Run(GoldenRun run)
    {
        var c = run.Config;
        var (features, labels) = (run.Input("features"), run.Input("labels"));
        var (samples, batch, classes) = (c.Int("samples"), c.Int("batch"), c.Int("classes"));
        c.Expect("samples", features.Size(0));
        c.Expect("dim", features.Size(1));
        var classifier = new LinearClassifier((int)features.Size(1), classes, run.Real, features.Device);
        var groups = classifier.Groups(c.Double("weight_decay"));
        var (lr, momentum, nesterov) = (c.Double("learning_rate"), c.Double("momentum"), c.Bool("nesterov"));
        Optimizer optimizer = c.String("optimizer") switch
        {
            "adam" when momentum == 0 && !nesterov => new Adam(groups, lr),
            "sgd" => new Sgd(groups, lr, momentum, nesterov),
            var other => throw new NotSupportedException($"an optimiser '{other}' with momentum {momentum}"),
        };
        var losses = new List<Tensor>();
        for (var step = 0; step < c.Int("steps"); step++)
        {
            // Rows in their order, round and round.
            var rows = Tensor.From([.. Enumerable.Range(step * batch, batch).Select(row => (long)(row % samples))]);
            losses.Add(classifier.Step(optimizer, features.IndexSelect(0, rows), labels.IndexSelect(0, rows)));
        }
        run.Output("losses", Torch.Stack([.. losses]));
        run.Output("weight", classifier.Weight.Detach());
        run.Output("bias", classifier.Bias.Detach());
    }
}
