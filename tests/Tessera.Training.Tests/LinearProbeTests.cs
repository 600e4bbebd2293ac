using Tessera.Models;
using Tessera.Testing;

namespace Tessera.Training.Tests;

[Collection("engine")]
public sealed class LinearProbeTests
{
    [Fact]
    public void The_model_predicts_by_norm_and_classifier_and_nothing_else_of_it_changes()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var student = Small.Vit();
        student.Train();
        var method = new LinearProbe(student);
        var before = student.StateDict().ToDictionary(e => e.Key, e => e.Value.ToBytes());
        var optimizer = new LarsOptions(LearningRate: 0.5, WeightDecay: 0, Form: Optim.LarsForm.Moco).Optimizer(method);
        Assert.Equal(["objective.head.weight", "objective.head.bias"], optimizer.Groups.SelectMany(g => g.Parameters).Select(p => p.Name));
        foreach (var batch in Small.Source().Epoch(0))
        {
            method.Compute(batch, new(0, 1, 0, 1)).Total.Backward();
            optimizer.Step();
            method.AfterStep(new(0, 1, 0, 1));
        }
        var changed = student.StateDict().Where(e => !before[e.Key].AsSpan().SequenceEqual(e.Value.ToBytes())).Select(e => e.Key);
        Assert.Equal(["head.weight", "head.bias"], changed);

        using var last = Small.Source().Epoch(1).First();
        student.Eval();
        method.Eval();
        // In evaluation the norm goes by its running statistics.
        var expected = ClassificationLosses.CrossEntropy(student.Call(last.Inputs), last.Labels());
        Near.Equal(method.Compute(last, new(0, 1, 0, 1)).Total, expected, 1e-5);
    }

    [Fact]
    public void Features_are_those_of_prediction()
    {
        using var scope = Torch.Scope();
        Torch.Seed(1);
        var student = new Vit(Small.Vit().Options with { Dropout = 0.5 });
        var method = new LinearProbe(student);
        student.Train();
        using var batch = Small.Source().Epoch(0).First();
        var first = method.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble();
        Assert.Equal(first, method.Compute(batch, new(0, 1, 0, 1)).Total.ToDouble());
    }

    [Fact]
    public void A_classifier_that_is_no_single_linear_map_is_refused() =>
        Assert.Contains(
            "one linear map",
            Assert.Throws<ArgumentException>(() => new LinearProbe(Small.RevCol())).Message,
            StringComparison.Ordinal
        );

    [Theory]
    [InlineData("auxiliary_losses: [ relative_localization ]", "auxiliary losses must be left out")]
    [InlineData("train: { ema: 0.9 }", "train.ema must be left out")]
    public void What_would_have_no_effect_is_refused(string field, string problem) =>
        Assert.Contains(
            problem,
            Assert
                .Throws<RecipeException>(() =>
                    Recipe.Parse(
                        $"model: {{ name: vit_micro_patch4_32 }}\ndata: {{ name: cifar10 }}\naugment: []\noptimizer: lars\n"
                            + $"schedule: {{ name: constant, epochs: 1 }}\nobjective: linear_probe\n{field}",
                        "r.yaml"
                    )
                )
                .Message,
            StringComparison.Ordinal
        );
}
