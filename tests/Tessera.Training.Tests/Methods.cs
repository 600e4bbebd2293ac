using Tessera.Models;
using Tessera.Training.Objectives.Retrieval;
using Tessera.Training.Objectives.Search;
using Tessera.Training.Objectives.SelfSupervision;
using Tessera.Training.Tasks.Retrieval;

namespace Tessera.Training.Tests;

/// <summary>Every training method on a small student, on any device.</summary>
internal static class Methods
{
    private static readonly Dictionary<string, (Func<Backbone> Student, Func<Backbone, string, Objective> Method, int Side)> all = new()
    {
        ["bootstrapping_shared"] = (
            Small.Bootstrap,
            (s, _) => new Bootstrapping(new(StemStride: 2, StemWidth: 8, DownSample: [0], Init: BootstrapInit.Corrected), s),
            Small.Side
        ),
        ["bootstrapping_joint"] = (
            Small.Bootstrap,
            (s, _) =>
                new Bootstrapping(
                    new(BootstrappingMode.Joint, AgentStem.VitLike, Convolution: AgentConvolution.ManyHead, Init: BootstrapInit.Corrected),
                    s
                ),
            Small.Side
        ),
        ["bootstrapping_vit"] = (
            () => new Vit(new((Small.Side, Small.Side), 4, 18, 2, 9, Small.Classes)),
            (s, _) => new Bootstrapping(new(Stem: AgentStem.VitLike), s),
            Small.Side
        ),
        ["locality_guidance"] = (
            () => Small.Vit(),
            (s, _) => new LocalityGuidance(new(new(Model: "guide_resnet20")), s, Beside(s, Small.Guide())),
            Small.Side
        ),
        ["locality_guidance_batch"] = (
            () => Small.Vit(),
            (s, _) =>
                new LocalityGuidance(
                    new(new(Model: "guide_resnet20"), Kind: AlignmentKind.Attention, GuideBatchNorm: GuideStatistics.Batch),
                    s,
                    Beside(s, Small.Guide())
                ),
            Small.Side
        ),
        ["relative_localization"] = (Small.Swin, (s, _) => With(s, new()), Small.Side),
        ["relative_localization_levels"] = (Small.Swin, (s, _) => With(s, new(LocalizationMode.Ce, MultiLevel: true)), Small.Side),
        ["relative_localization_cbr"] = (() => Small.Vit(), (s, _) => With(s, new(LocalizationMode.Cbr, UseAbs: false)), Small.Side),
        ["masked_autoencoder"] = (() => Small.Vit(), (s, _) => new MaskedAutoencoder(new(Dim: 16, Depth: 1, Heads: 2), s), Small.Side),
        ["relation_distillation"] = (
            () => Small.Vit(lastHeads: 6),
            (s, _) =>
                new RelationDistillation(
                    new(new(Model: "vit_tiny_patch16_224"), TargetBlock: 2, TargetHeads: 6),
                    s,
                    Beside(s, Small.Vit(48)),
                    normalization: Normalization.Inception
                ),
            Small.Side
        ),
        ["feature_distillation"] = (
            () => Small.Vit(),
            (s, _) =>
                new RelationDistillation(
                    new(new(Model: "vit_tiny_patch16_224"), TargetBlock: 2, Target: DistillationTarget.Features),
                    s,
                    Beside(s, Small.Vit(48))
                ),
            Small.Side
        ),
        ["class_token_distillation_masked"] = (
            () => Small.Vit(),
            (s, _) =>
                new RelationDistillation(
                    new(new(Model: "vit_tiny_patch16_224"), Target: DistillationTarget.ClassToken, MaskRatio: 0.75),
                    s,
                    Beside(s, Small.Vit(48))
                ),
            Small.Side
        ),
        ["relation_distillation_masked"] = (
            () => Small.Vit(),
            (s, _) => new RelationDistillation(new(new(Model: "vit_tiny_patch16_224"), MaskRatio: 0.75), s, Beside(s, Small.Vit(48))),
            Small.Side
        ),
        ["simclr"] = (() => Small.Vit(), (s, _) => new SimClr(new(Dim: 8), Context(s)), Small.Side),
        ["simclr_htdt_unmix"] = (
            () => Small.ResNet(),
            (s, _) => new SimClr(new(0.5, SimClrForm.Htdt, Hidden: 16, Dim: 8, Unmix: new()), Context(s)),
            Small.Side
        ),
        ["w_mse"] = (() => Small.Vit(), (s, _) => new WMse(new(4, Hidden: 16, Iterations: 2), Context(s)), Small.Side),
        ["w_mse_unmix"] = (
            () => Small.ResNet(),
            (s, _) => new WMse(new(4, Hidden: 16, Size: 3, Eps: 0.1, Unmix: new(0.3)), Context(s)),
            Small.Side
        ),
        ["byol_unmix"] = (
            () => Small.ResNet(),
            (s, _) => new Byol(new(ByolForm.Htdt, 16, 8, Unmix: new()), Context(s, () => Small.ResNet())),
            Small.Side
        ),
        ["moco_unmix"] = (
            () => Small.ResNet(),
            (s, _) => new Moco(new(12, 0.9, 0.2, 8, Symmetric: true, BnSplits: 2, Unmix: new()), Context(s, () => Small.ResNet())),
            Small.Side
        ),
        ["irt"] = (() => Small.Vit(), (s, _) => new Irt(new(Memory: 15), Context(s), Descriptor), Small.Side),
        ["irt_momentum"] = (
            () => Small.ResNet(),
            (s, _) => new Irt(new(Memory: 12, MemoryStart: 2, Momentum: 0.9), Context(s, () => Small.ResNet()), Descriptor),
            Small.Side
        ),
        ["irt_tuples"] = (
            () => Small.Vit(),
            (s, _) => new IrtTuples(new(Koleo: 0.1, Negatives: 2, Pool: 12, Every: 3), WithImages(Context(s)), Descriptor),
            Small.Side
        ),
        ["linear_probe"] = (() => Small.Vit(), (s, _) => new LinearProbe(s), Small.Side),
        ["token_labeling"] = (Small.LvVit, (s, folder) => new TokenLabels(new(folder), s, Labels(folder)), Small.Side),
        ["token_labeling_vit"] = (() => Small.Vit(), (s, folder) => new TokenLabels(new(folder), s, Labels(folder)), Small.Side),
        ["token_sparsification"] = (
            Small.Dynamic,
            (s, _) =>
                new TokenSparsificationTraining(
                    new(new(Model: "vit_tiny_patch16_224"), FrozenEpochs: 1, BackboneRate: 0.5),
                    s,
                    Beside(s, Small.Vit())
                ),
            Small.Side
        ),
        ["soft_distillation"] = (() => Small.Vit(), (s, _) => new SoftDistillation(s, Beside(s, Small.Guide()), 2), Small.Side),
        ["vitas_supernet_bilateral"] = (() => Small.Supernet(VitasSharing.Bilateral), (s, _) => Supernet(s, new()), Small.Side),
        ["vitas_supernet_cyclic"] = (
            () => Small.Supernet(VitasSharing.Cyclic),
            (s, _) => Supernet(s, new(0.3, IdentityShift: true)),
            Small.Side
        ),
        ["single_path"] = (
            () => new Glit(new((Small.Side, Small.Side), 4, 12, 3, Glit.Config.Distributions(2), Small.Classes)),
            (s, _) => new SinglePath(s, new(0.1)),
            Small.Side
        ),
        ["intermediate_supervision"] = (Small.RevCol, (s, _) => new IntermediateSupervision(new(), s, Normalization.Inception), 32),
    };

    private static VitasSupernetTraining Supernet(Backbone student, VitasSupernetTrainingOptions options) =>
        new((VitasSupernet)student, options);

    internal static WithAuxiliaryLosses With(Backbone student, RelativeLocalizationOptions options) =>
        new(new Supervised(student, 0.1), [(options with { WarmupEpochs = 0, Samples = 8 }).Create(new(student, Device.Cpu))]);

    // What methods without labels are built from: the probe needs classes, and a copy that follows needs a second student.
    private static ObjectiveContext Context(Backbone student, Func<Backbone>? another = null) =>
        new(student, student.Parameters().First().Device)
        {
            Another = another,
            StepSamples = Small.BatchSize,
            Labels = new ClassLabels(["a", "b", "c"], [.. Enumerable.Range(0, Small.Batches * Small.BatchSize).Select(Small.LabelOf)]),
        };

    private static Func<Backbone, Tensor, Tensor> Descriptor => new RetrievalTask().Descriptor;

    // Images like those of the batches: each class lights up another part.
    private static ObjectiveContext WithImages(ObjectiveContext context) =>
        context with
        {
            Data = Small.Images(Small.Batches * Small.BatchSize, (index, target) =>
            {
                for (var i = 0; i < target.Values.Length; i++)
                    target.Values[i] = (byte)(i % Small.Side * Small.Classes / Small.Side == Small.LabelOf(index) ? 200 : i * 31 % 64);
            }),
        };

    // Teachers are no part of a method: whoever makes them puts them where the student is.
    private static T Beside<T>(Backbone student, T teacher)
        where T : Backbone
    {
        teacher.To(student.Parameters().First().Device);
        return teacher;
    }

    private static TokenLabelStore Labels(string folder)
    {
        var data = Small.Images(Small.Batches * Small.BatchSize, (index, target) =>
        {
            for (var i = 0; i < target.Values.Length; i++)
                target.Values[i] = (byte)(i * 31 + index * 17);
        });
        if (!TokenLabelStore.Exists(folder))
            TokenLabelStore.Make(Small.Guide(), data, folder, 2);
        return TokenLabelStore.Open(folder);
    }

    internal static IEnumerable<string> Names => all.Keys;

    /// <summary>A training of a method from the same beginning every time.</summary>
    /// <param name="name">Of the method.</param>
    /// <param name="folder">For its stored labels.</param>
    /// <param name="run">Folder of the run; null for none.</param>
    /// <param name="epochs">Its length.</param>
    /// <param name="report">Told what happens.</param>
    /// <param name="options">Beside seed, interval of the log and clipping.</param>
    internal static (Trainer Trainer, Backbone Model, Objective Method, Optim.Optimizer Optimizer) Training(
        string name,
        string folder,
        string? run,
        int epochs,
        Action<TrainingEvent>? report,
        TrainOptions? options = null
    )
    {
        options = (options ?? new()) with { Seed = 5, LogEvery = 1, ClipGrad = 5 };
        var device = Device.Parse(options.Device);
        var (student, create, side) = all[name];
        var labels = Path.Combine(folder, "labels");
        // They are made once: their maker must not draw from what the first training begins with.
        if (name.StartsWith("token_labeling", StringComparison.Ordinal))
            Labels(labels).Dispose();
        Torch.Seed(5);
        var model = student();
        model.To(device);
        var method = create(model, labels);
        method.To(device);
        var phases = Phases.Of(method, new AdamWOptions(3e-3), options);
        var setup = new TrainingSetup
        {
            Objective = method,
            Phases = phases,
            Schedule = new CosineOptions(epochs),
            Data = method is SelfSupervised ? Small.Pairs(side) : Small.Source(side),
            Options = options,
        };
        return (new(setup, run is null ? null : new RunFolder(run), report), model, method, phases[0].Optimizer);
    }
}
