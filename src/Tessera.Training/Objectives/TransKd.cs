using Tessera.Models;
using Tessera.Models.Layers;
using Tessera.Nn;
using Tessera.Training.Losses;

namespace Tessera.Training.Objectives;

/// <summary>
/// TransKD: a small segmenter learns from a large one, by the maps of its four stages, fused from deep to shallow, and by its four patch
/// embeddings. Liu et al., "TransKD: Transformer Knowledge Distillation for Efficient Semantic Segmentation", 2022, arXiv:2202.13393.
/// The student alone is the product: nothing here changes what it computes.
/// </summary>
/// <remarks>
/// Student and teacher may be any segmenters over encoders with four stages that begin with embeddings
/// (<see cref="Backbone.EmbeddingPaths"/>) at the same strides. The teacher is frozen, and no part of what checkpoints hold. Names of the
/// weights are those of the authors' code. Their two shares of the mixer start as whatever was in memory; here as 1.
/// </remarks>
public sealed class TransKd : Module
{
    private const int Stages = 4;

    private readonly Parameter? attenWeight; // [1]
    private readonly Parameter? convWeight; // [1]
    private readonly Segmenter student;
    private readonly ModuleList<SelectiveFusion> skfs; // from the deepest stage to the shallowest
    private readonly ConvEmbed[] patchEmbeds = [];
    private readonly Linear[] projections;
    private readonly SelfAttention? attn4;
    private readonly Conv1d? conv1;
    private readonly Conv1d? conv2;
    private readonly Shares? fuseWeights;

    [NotRegistered]
    private readonly Segmenter teacher;

    private readonly TransKdOptions options;

    /// <summary>The modules between a student and its teacher.</summary>
    /// <param name="student">The segmenter that learns.</param>
    /// <param name="teacher">The segmenter that teaches; frozen and set to evaluation here.</param>
    /// <param name="options">Kind and weights.</param>
    /// <exception cref="ArgumentException">
    /// An encoder has other stages than four with embeddings, or strides, classes or images of the two differ.
    /// </exception>
    public TransKd(Segmenter student, Segmenter teacher, TransKdOptions options)
    {
        Check(student, nameof(student));
        Check(teacher, nameof(teacher));
        Check(student, teacher);
        if (options.Kind == TransKdKind.Gl && student.MapChannels[^1] % options.MixerHeads != 0)
            throw new ArgumentException(
                $"mixer_heads must divide the {student.MapChannels[^1]} channels of the student's last stage, which {options.MixerHeads} does not"
            );
        (this.student, this.teacher, this.options) = (student, teacher, options);
        teacher.RequireGrad(false);
        teacher.Eval();
        var (ours, theirs) = (student.MapChannels, teacher.MapChannels);
        skfs = new(
            Enumerable
                .Range(0, Stages)
                .Reverse()
                .Select(i => new SelectiveFusion(ours[i], options.Middle, options.ReducedWidth, theirs[i], deepest: i + 1 == Stages))
        );
        projections = [.. ours.Zip(theirs, (from, to) => new Linear(from, to))];
        if (options.Kind == TransKdKind.Gl)
        {
            attenWeight = Init.Ones(new Parameter(1));
            convWeight = Init.Ones(new Parameter(1));
            attn4 = new SelfAttention(ours[^1], options.MixerHeads, qkvBias: false);
            conv1 = new Conv1d(ours[^1], ours[^1], 3, 1, 1);
            conv2 = new Conv1d(ours[^1], ours[^1], 3, 1, 1);
        }
        if (options.Kind == TransKdKind.Ea)
        {
            patchEmbeds =
            [
                .. theirs.Select(
                    (width, i) =>
                        i == 0
                            ? new ConvEmbed(student.Backbone.Channels, width, 7, (int)student.MapStrides[0], 3)
                            : new ConvEmbed(ours[i - 1], width, 3, 2, 1)
                ),
            ];
            fuseWeights = new Shares(2 * Stages);
        }
    }

    private static void Check(Segmenter model, string role)
    {
        if (model.Backbone.EmbeddingPaths.Count != Stages)
            throw new ArgumentException(
                $"{model.Backbone.GetType().Name} has {model.Backbone.EmbeddingPaths.Count} stages that begin with patch embeddings: the "
                    + $"{role} must have {Stages}, as MiT, PVT, PVT v2, Swin and CSWin do",
                role
            );
    }

    private static void Check(Segmenter student, Segmenter teacher)
    {
        var (ours, theirs) = (student.Backbone.GetType().Name, teacher.Backbone.GetType().Name);
        if (!student.MapStrides.SequenceEqual(teacher.MapStrides))
            throw new ArgumentException(
                $"the maps of the student's {ours} have the strides {Strides(student)}, and those of the teacher's {theirs} "
                    + $"{Strides(teacher)}: both must have the same"
            );
        if (student.Classes != teacher.Classes)
            throw new ArgumentException(
                $"the student over {ours} has {student.Classes} classes, and the teacher over {theirs} {teacher.Classes}: both must have the same"
            );
        if (student.Channels != teacher.Channels)
            throw new ArgumentException(
                $"the student's {ours} takes images of {student.Channels} channels, and the teacher's {theirs} of {teacher.Channels}: both "
                    + "must take the same"
            );

        static string Strides(Segmenter model) =>
            string.Join(", ", model.MapStrides.Select(stride => stride.ToString(System.Globalization.CultureInfo.InvariantCulture)));
    }

    /// <inheritdoc/>
    protected override void ListMembers(Members members)
    {
        members.Add("atten_weight", attenWeight);
        members.Add("conv_weight", convWeight);
        members.Add("student", student);
        members.Add("skfs", skfs);
        foreach (var (i, embed) in patchEmbeds.Index())
            members.Add($"patch_embed{i + 1}", embed);
        foreach (var (i, projection) in projections.Index())
            members.Add($"embed{i + 1}_linearproject", projection);
        members.Add("attn4", attn4);
        members.Add("conv1", conv1);
        members.Add("conv2", conv2);
        members.Add("fuse_weights", fuseWeights);
    }

    /// <summary>The segmenter that learns, and that is kept.</summary>
    public Segmenter Student => student;

    /// <summary>The segmenter that teaches.</summary>
    public Segmenter Teacher => teacher;

    /// <summary>What student and teacher make of images.</summary>
    /// <param name="images">[B, C, H, W].</param>
    /// <exception cref="ShapeException">Student and teacher have other strides.</exception>
    public TransKdOutputs Run(Tensor images)
    {
        using var scope = new Scope();
        var size = (images.Size(2), images.Size(3));
        var (maps, embeddings) = Describe(student, images);
        var answers = student.RunHead(maps, size);
        IReadOnlyList<Tensor> teacherMaps,
            teacherEmbeddings;
        using (Torch.NoGrad())
            (teacherMaps, teacherEmbeddings) = Describe(teacher, images);

        var fused = new Tensor[Stages];
        Tensor? handed = null;
        for (var i = Stages - 1; i >= 0; i--)
            (handed, fused[i]) = skfs[Stages - 1 - i].Call((maps[i], handed));
        Tensor[] aligned = [.. embeddings.Select((embedding, i) => Align(i, embedding, i == 0 ? images : maps[i - 1]))];
        for (var i = 0; i < Stages; i++)
            if (aligned[i].Shape != teacherEmbeddings[i].Shape)
                throw new ShapeException(
                    $"embeddings of stage {i + 1} are {aligned[i].Shape} of the student and {teacherEmbeddings[i].Shape} of the teacher: "
                        + "both must have the same strides"
                );
        return scope.Return(new TransKdOutputs(answers, fused, teacherMaps, aligned, teacherEmbeddings));
    }

    // The four maps and what each stage begins with, [B, N, C].
    private static (IReadOnlyList<Tensor> Maps, IReadOnlyList<Tensor> Embeddings) Describe(Segmenter model, Tensor images)
    {
        var paths = model.Backbone.EmbeddingPaths;
        using var taps = new Taps(model.Backbone, [.. paths]);
        var maps = model.ForwardMaps(images);
        return (maps, [.. paths.Select(path => taps[path])]);
    }

    private Tensor Align(int stage, Tensor embedding, Tensor below)
    {
        if (stage == Stages - 1 && attn4 is not null && conv1 is not null && conv2 is not null)
        {
            var raster = embedding.Transpose(1, 2); // [B, C, N]
            var local = (conv1.Call(raster) * conv2.Call(raster).Sigmoid()).Transpose(1, 2);
            embedding = attn4.Call(embedding) * attenWeight! + local * convWeight!;
        }
        var projected = projections[stage].Call(embedding);
        return fuseWeights is null
            ? projected
            : projected * fuseWeights[stage] + patchEmbeds[stage].Call(below) * fuseWeights[stage + Stages];
    }

    /// <summary>The loss: cross-entropy, and those of features and embeddings by their weights.</summary>
    /// <param name="outputs">What <see cref="Run"/> gave.</param>
    /// <param name="labels">int64, [B, H, W] at any resolution; the scores are resized to it.</param>
    /// <param name="weights">Weight of each class, [C]; null for none.</param>
    /// <param name="ignored">Label of pixels that do not count.</param>
    public Loss Loss(TransKdOutputs outputs, Tensor labels, Tensor? weights = null, int ignored = SegmentationLosses.Ignored)
    {
        using var scope = new Scope();
        var own = SegmentationLosses.CrossEntropy(outputs.Logits, labels, weights, ignored).Mean();
        var (features, embeddings) = (FeatureLoss(outputs), EmbeddingLoss(outputs));
        return scope.Return(
            new Loss(own + features + embeddings)
            {
                Parts = new Dictionary<string, Tensor>
                {
                    ["class_loss"] = own.Detach(),
                    ["feature_loss"] = features.Detach(),
                    ["embedding_loss"] = embeddings.Detach(),
                },
            }
        );
    }

    /// <summary>Loss of the features of all stages, by its weight.</summary>
    /// <param name="outputs">What <see cref="Run"/> gave.</param>
    internal Tensor FeatureLoss(TransKdOutputs outputs) =>
        Torch.Scope(() => FeatureLosses(outputs).Aggregate((a, b) => a + b) * options.FeatureWeight);

    /// <summary>Loss of the embeddings of all stages, each by its weight.</summary>
    /// <param name="outputs">What <see cref="Run"/> gave.</param>
    internal Tensor EmbeddingLoss(TransKdOutputs outputs) =>
        Torch.Scope(() => EmbeddingLosses(outputs).Select((loss, i) => loss * options.Weights[i]).Aggregate((a, b) => a + b));

    /// <summary>Loss of the features of each stage, from the first to the last, without weights.</summary>
    /// <param name="outputs">What <see cref="Run"/> gave.</param>
    internal IEnumerable<Tensor> FeatureLosses(TransKdOutputs outputs) =>
        outputs.Features.Zip(outputs.TeacherFeatures, (ours, theirs) =>
            FeatureDistillation.Of(options.Feature, ours, theirs, options.Temperature)
        );

    /// <summary>Loss of the embeddings of each stage, from the first to the last, without weights.</summary>
    /// <param name="outputs">What <see cref="Run"/> gave.</param>
    internal static IEnumerable<Tensor> EmbeddingLosses(TransKdOutputs outputs) =>
        outputs.Embeddings.Zip(outputs.TeacherEmbeddings, (ours, theirs) => ours.MseLoss(theirs.Detach()));

    /// <summary>Learned shares that start at 0.1, 0.2, 0.3, ...</summary>
    private sealed class Shares(int count) : Module
    {
        private readonly Parameter[] shares = [.. Enumerable.Range(1, count).Select(i => Init.Constant(new Parameter(1), 0.1 * i))];

        public Parameter this[int index] => shares[index];

        protected override void ListMembers(Members members)
        {
            foreach (var (i, share) in shares.Index())
                members.Add($"{i}", share);
        }
    }
}

/// <summary>What a student and its teacher make of images, from the first stage to the last.</summary>
/// <param name="Answers">The student's scores and, in training, those of its auxiliary head.</param>
/// <param name="Features">The student's maps after their fusion, of the teacher's widths.</param>
/// <param name="TeacherFeatures">The teacher's maps.</param>
/// <param name="Embeddings">The student's patch embeddings, brought to the teacher's widths, [B, N, C] each.</param>
/// <param name="TeacherEmbeddings">The teacher's.</param>
public sealed record TransKdOutputs(
    Outputs Answers,
    IReadOnlyList<Tensor> Features,
    IReadOnlyList<Tensor> TeacherFeatures,
    IReadOnlyList<Tensor> Embeddings,
    IReadOnlyList<Tensor> TeacherEmbeddings
) : ITensorBag
{
    /// <summary>The student's scores, [B, classes, h, w].</summary>
    public Tensor Logits => Answers.Logits;

    /// <inheritdoc/>
    public IEnumerable<Tensor> Tensors => [.. Answers.Tensors, .. Features, .. TeacherFeatures, .. Embeddings, .. TeacherEmbeddings];
}
