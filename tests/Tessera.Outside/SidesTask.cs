using System.Globalization;
using Tessera.Data;
using Tessera.Distributed;
using Tessera.Models;
using Tessera.Training;
using Tessera.Training.Recipes;
using Tessera.Training.Tasks;

namespace Tessera.Outside;

/// <summary>A task of a program's own: which side is it?</summary>
[RecipeName("sides")]
public sealed record SidesTask(string Unit = "side") : ImageTask
{
    public override bool IsDefaultFor(Dataset data) => data is Shapes;

    public override Type TargetsType => typeof(ClassTargets);

    public override Evaluator CreateEvaluator(Model model, DataFacts facts, Func<Tensor, Tensor>? predict = null) =>
        new SidesEvaluator(predict ?? (images => model.Call(images)));

    public override Prediction Interpret(string sample, Tensor logits, DataFacts facts, int most) =>
        Prediction.MostLikely(sample, logits, facts.Classes, most);

    public override IReadOnlyList<ReportSection> Report(ReportContext context) => [new("Sides", $"<p>one {Unit} each</p>")];
}

/// <summary>Counts right answers.</summary>
public sealed class SidesEvaluator(Func<Tensor, Tensor> predict) : Evaluator
{
    private long right;
    private int count;

    public override void Add(Batch batch)
    {
        using var scope = new Scope();
        right += predict(batch.Inputs).Argmax(1).Eq(ClassTargets.Of(batch).Labels).Sum().ToInt64();
        count += batch.Count;
    }

    public override void Join(ProcessGroup group)
    {
        var sums = group.Sum(right, count);
        (right, count) = ((long)sums[0], (int)sums[1]);
    }

    public override Metrics Measure() => new SidesMetrics(count, right / (double)count);
}

/// <summary>The share of right answers.</summary>
public sealed record SidesMetrics(int Count, double Right) : Metrics(Count)
{
    public override string Primary => "right_sides";

    public override IReadOnlyDictionary<string, double> Scalars => new Dictionary<string, double> { [Primary] = Right };

    public override IReadOnlyList<MetricRow> Rows => [new("right sides", Right, MetricFormat.Share)];

    public override IReadOnlyList<MetricRow> Headline => Rows;

    public override object ToJson(IReadOnlyList<string> classes) =>
        new { RightSides = Right, Classes = classes.Count.ToString(CultureInfo.InvariantCulture) };
}
