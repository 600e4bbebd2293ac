using Tessera.Data;
using Tessera.Models;

namespace Tessera.Training.Tests;

/// <summary>What holds of every training method: it learns, and a training that was stopped goes on bit for bit.</summary>
[Collection("engine")]
public sealed class MethodTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    private static readonly Dictionary<string, (Func<Backbone> Student, Func<Backbone, string, Objective> Method, int Side)> methods = new()
    {
        ["bootstrapping_shared"] = (Small.Bootstrap, (s, _) => new Bootstrapping(new(StemStride: 2, StemWidth: 8, DownSample: [0], Init: BootstrapInit.Corrected), s), Small.Side),
        ["bootstrapping_joint"] = (Small.Bootstrap, (s, _) => new Bootstrapping(new(BootstrappingMode.Joint, AgentStem.VitLike, Convolution: AgentConvolution.ManyHead, Init: BootstrapInit.Corrected), s), Small.Side),
        ["bootstrapping_vit"] = (() => new Vit(new((Small.Side, Small.Side), 4, 18, 2, 9, Small.Classes)), (s, _) => new Bootstrapping(new(Stem: AgentStem.VitLike), s), Small.Side),
        ["locality_guidance"] = (() => Small.Vit(), (s, _) => new LocalityGuidance(new(new(Model: "guide_resnet20")), s, Small.Guide()), Small.Side),
        ["locality_guidance_batch"] = (() => Small.Vit(), (s, _) => new LocalityGuidance(new(new(Model: "guide_resnet20"), Kind: AlignmentKind.Attention, GuideBatchNorm: GuideStatistics.Batch), s, Small.Guide()), Small.Side),
        ["relative_localization"] = (Small.Swin, (s, _) => With(s, new()), Small.Side),
        ["relative_localization_levels"] = (Small.Swin, (s, _) => With(s, new(LocalizationMode.Ce, MultiLevel: true)), Small.Side),
        ["relative_localization_cbr"] = (() => Small.Vit(), (s, _) => With(s, new(LocalizationMode.Cbr, UseAbs: false)), Small.Side),
        ["masked_autoencoder"] = (() => Small.Vit(), (s, _) => new MaskedAutoencoder(new(Dim: 16, Depth: 1, Heads: 2), s), Small.Side),
        ["relation_distillation"] = (() => Small.Vit(lastHeads: 6), (s, _) => new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), TargetBlock: 2, TargetHeads: 6), s, Small.Vit(48), normalization: Normalization.Inception), Small.Side),
        ["feature_distillation"] = (() => Small.Vit(), (s, _) => new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), TargetBlock: 2, Target: DistillationTarget.Features), s, Small.Vit(48)), Small.Side),
        ["class_token_distillation_masked"] = (() => Small.Vit(), (s, _) => new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), Target: DistillationTarget.ClassToken, MaskRatio: 0.75), s, Small.Vit(48)), Small.Side),
        ["relation_distillation_masked"] = (() => Small.Vit(), (s, _) => new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), MaskRatio: 0.75), s, Small.Vit(48)), Small.Side),
        ["linear_probe"] = (() => Small.Vit(), (s, _) => new LinearProbe(s), Small.Side),
        ["token_labeling"] = (Small.LvVit, (s, folder) => new TokenLabels(new(folder), s, Labels(folder)), Small.Side),
        ["token_labeling_vit"] = (() => Small.Vit(), (s, folder) => new TokenLabels(new(folder), s, Labels(folder)), Small.Side),
        ["token_sparsification"] = (Small.Dynamic, (s, _) => new TokenSparsificationTraining(new(new(Model: "vit_tiny_patch16_224"), FrozenEpochs: 1, BackboneRate: 0.5), s, Small.Vit()), Small.Side),
        ["soft_distillation"] = (() => Small.Vit(), (_, _) => new SoftDistillation(Small.Guide(), 2), Small.Side),
        ["intermediate_supervision"] = (Small.RevCol, (s, _) => new IntermediateSupervision(new(), s, Normalization.Inception), 32),
    };

    private static WithAuxiliaries With(Backbone student, RelativeLocalizationOptions options)
        => new(new Supervised(0.1), [(options with { WarmupEpochs = 0, Samples = 8 }).Create(new(student, Device.Cpu))]);

    private static TokenLabelStore Labels(string folder)
    {
        var data = Small.Images(Small.Batches * Small.BatchSize, (index, target) =>
        {
            for (var i = 0; i < target.Values.Length; i++) target.Values[i] = (byte)(i * 31 + index * 17);
        });
        if (!TokenLabelStore.Exists(folder)) TokenLabelStore.Make(Small.Guide(), data, folder, 2);
        return TokenLabelStore.Open(folder);
    }

    public static TheoryData<string> Names => [.. methods.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_stopped_and_resumed_training_equals_one_that_was_not_stopped(string name)
    {
        var expected = State(name, "whole", [7]);
        var found = State(name, "parts", [2, 4, 7]);
        Assert.Equal(expected.Keys.Order(), found.Keys.Order());
        foreach (var (tensor, bytes) in expected) Assert.True(bytes.AsSpan().SequenceEqual(found[tensor]), $"{tensor} differs");
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Training_lowers_the_loss(string name)
    {
        var losses = new List<double>();
        using var scope = new Scope();
        var (trainer, _, _, _) = Training(name, null, 12, e => { if (e is StepDone step) losses.Add(step.Loss); });
        using (trainer) trainer.Train();
        Assert.True(losses[^6..].Average() < losses[..6].Average(), $"the loss went from {losses[..6].Average()} to {losses[^6..].Average()}");
    }

    [Fact]
    public void The_cost_of_a_step_is_the_models_where_nothing_else_runs()
    {
        using var scope = new Scope();
        bool IsOnePass(Objective method, double? sam) => new Trainer(new(Small.Vit(), method, new AdamWOptions(1e-3).Create(Small.Vit(), method), new CosineOptions(1), 1e-3, Small.Source(), null,
            new(Sam: sam is { } rho ? new(rho) : null), new())).IsOnePass;
        Assert.True(IsOnePass(new Supervised(), null));
        Assert.True(IsOnePass(With(Small.Swin(), new()), null));
        Assert.False(IsOnePass(new Supervised(), 0.1));
        Assert.False(IsOnePass(new MaskedAutoencoder(new(Dim: 16, Depth: 1, Heads: 2), Small.Vit()), null));
        Assert.False(IsOnePass(new SoftDistillation(Small.Guide(), 2), null));
    }

    private Dictionary<string, byte[]> State(string name, string run, int[] stops)
    {
        var result = new Dictionary<string, byte[]>();
        foreach (var stop in stops)
        {
            using var scope = new Scope();
            var (trainer, model, method, optimizer) = Training(name, Path.Combine(folder.Path, run), 3, null);
            using (trainer)
            {
                // Whatever ran before in the process must not matter.
                Torch.Seed(stop == stops[0] ? 5UL : 999UL);
                if (stop != stops[0]) Assert.True(trainer.Resume());
                trainer.Train(stop);
                if (stop != stops[^1]) continue;
                foreach (var (key, tensor) in model.StateDict()) result.Add(key, tensor.ToBytes());
                foreach (var (key, tensor) in method.StateDict()) result.Add("method:" + key, tensor.ToBytes());
                foreach (var (key, tensor) in optimizer.StateDict()) result.Add("optimizer:" + key, tensor.ToBytes());
            }
        }
        return result;
    }

    private (Trainer Trainer, Backbone Model, Objective Method, Optim.Optimizer Optimizer) Training(string name, string? run, int epochs, Action<TrainingEvent>? report)
    {
        var (student, create, side) = methods[name];
        var labels = Path.Combine(folder.Path, "labels");
        // They are made once: their maker must not draw from what the first training begins with.
        if (name.StartsWith("token_labeling", StringComparison.Ordinal)) Labels(labels).Dispose();
        Torch.Seed(5);
        var model = student();
        var method = create(model, labels);
        var optimizer = new AdamWOptions(3e-3).Create(model, method);
        var setup = new TrainingSetup(model, method, optimizer, new CosineOptions(epochs), 3e-3, Small.Source(side), null, new(Seed: 5, LogEvery: 1, Clip: 5), new());
        return (new(setup, run is null ? null : new RunFolder(run), report), model, method, optimizer);
    }
}
