namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class ClassificationTests
{
    [Fact]
    public void All_figures_equal_the_reference()
    {
        using var scope = new Scope();
        var golden = new Golden("metrics/classification.json");
        var metrics = new ClassificationEvaluator((int)golden.Config["num_classes"]!, (int)golden.Config["ece_bins"]!);
        var (logits, labels) = (golden.Input("logits"), golden.Input("labels"));
        // In two parts: what is measured is the whole set.
        metrics.Add(logits.Slice(0, 0, 17), labels.Slice(0, 0, 17), [.. Enumerable.Range(0, 17)]);
        metrics.Add(logits.Slice(0, 17, 60), labels.Slice(0, 17, 60), [.. Enumerable.Range(17, 43)]);
        var found = metrics.Measure();
        foreach (var k in (int[])[1, 3, 5])
            Assert.Equal(golden.Output($"top{k}")[0], 100 * metrics.Top(k), 1e-12);
        Assert.Equal(golden.Output("per_class"), found.PerClass.Select(v => v ?? -1).ToArray(), Close);
        Assert.Equal(golden.Output("mean_per_class")[0], found.MeanPerClass, 1e-12);
        Assert.Equal(golden.Output("ece")[0], found.Ece, 1e-12);
        Assert.Equal(golden.Output("mce")[0], found.Mce, 1e-12);
        Assert.Equal(golden.Output("bin_counts"), found.Calibration.Select(bin => (double)bin.Count).ToArray());
        Assert.Equal(golden.Output("nll")[0], found.Loss, 1e-12);
        Assert.Equal(golden.Output("brier")[0], found.Brier, 1e-12);
        Assert.Equal(golden.Output("confusion"), found.Confusion.SelectMany(row => row).Select(v => (double)v).ToArray());
    }

    private static bool Close(double a, double b) => Math.Abs(a - b) < 1e-12;

    [Fact]
    public void The_surest_mistakes_are_kept_in_order()
    {
        using var scope = new Scope();
        var metrics = new ClassificationEvaluator(2, mistakes: 2);
        metrics.Add(Tensor.From([0f, 1, 0, 3, 0, 2, 5, 0], 4, 2), Tensor.From([0L, 0, 0, 0]), [10, 11, 12, 13]);
        var found = metrics.Measure();
        Assert.Equal([11, 12], found.Mistakes.Select(m => m.Index));
        Assert.Equal((0, 1), (found.Mistakes[0].Label, found.Mistakes[0].Predicted));
        Assert.Equal(0.25, found.Top1);
        Assert.Null(found.PerClass[1]);
    }
}
