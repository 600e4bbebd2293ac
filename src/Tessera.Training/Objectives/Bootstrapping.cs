using System.ComponentModel.DataAnnotations;
using Tessera.Data;
using Tessera.Models;
using Tessera.Training.Losses;
using Tessera.Training.Recipes;

namespace Tessera.Training.Objectives;

/// <summary>
/// A plain ViT and the CNN that is derived from it learn together: both from the labels and from each other's logits, and the
/// ViT from the CNN's features of every block, with a weight that fades. With shared weights the CNN's convolutions are made of
/// the ViT's own tensors. The CNN is dropped afterwards. Zhang et al., 2022, arXiv:2112.03552.
/// </summary>
public sealed partial class Bootstrapping : BackboneObjective
{
    private readonly AgentCnn agent;
    private readonly BootstrappingOptions options;

    /// <summary>The method with an agent for a student.</summary>
    /// <param name="options">Agent, weights of the terms and hints.</param>
    /// <param name="student">A plain ViT.</param>
    /// <exception cref="ArgumentException">The student is no plain ViT, or no agent can be made from it.</exception>
    public Bootstrapping(BootstrappingOptions options, Backbone student)
        : this(options, student, AgentOf(options, student)) { }

    internal Bootstrapping(BootstrappingOptions options, Backbone student, AgentCnn agent)
        : base(student) => (this.options, this.agent) = (options, agent);

    /// <summary>The agent, which learns beside the ViT.</summary>
    public AgentCnn Agent => agent;

    /// <summary>As published, the ViT's gradients alone count for clipping.</summary>
    public override IReadOnlyList<Phase> Phases => [new Phase("", [this]) { Clipped = [Student] }];

    private static AgentCnn AgentOf(BootstrappingOptions options, Backbone student)
    {
        var blocks = student.Transformer;
        if (blocks.Count == 0)
            throw new ArgumentException(
                $"bootstrapping needs the blocks of a plain ViT (bootstrap_vit_*, vit_*, deit_*), not {student.GetType().Name}"
            );
        var shared = options.Mode == BootstrappingMode.Shared;
        var (dim, hidden, heads) = ((int)blocks[0].Out.Weight.Size(0), (int)blocks[0].Hidden.Weight.Size(0), blocks[0].Heads);
        var patch =
            options.Stem == AgentStem.VitLike
                ? student.ImageSize.Height / (int)BlockOutputs.Probe(student, [student.BlockPaths[0]])[0][2]
                : 1;
        var dropout = options.Dropout ?? (student is BootstrapVit vit ? vit.Options.Dropout : 0);
        return new AgentCnn(
            new(
                student.ImageSize,
                dim,
                blocks.Count,
                hidden,
                options.Convolution,
                heads,
                options.Stem,
                patch,
                options.StemWidth,
                options.StemStride,
                options.DownSample ?? (options.Stem == AgentStem.ResnetLike ? [0, 1] : []),
                options.PreNorm,
                shared ? dropout : 0,
                dropout,
                student.Classes,
                student.Channels,
                options.Init
            ),
            shared ? blocks : null
        );
    }

    /// <inheritdoc/>
    protected override Loss ForwardLoss(Batch batch, Progress progress, Phase phase)
    {
        var (outputs, tokens) = BlockOutputs.Run(Student, new(batch.Inputs), Student.BlockPaths);
        var (theirs, maps) = BlockOutputs.Run(agent, new(batch.Inputs), agent.BlockPaths);
        Tensor[] ours = [.. tokens.Select(t => t.Slice(1, Student.NumPrefixTokens))];
        var terms = Terms(outputs.Logits, theirs.Logits, ours, maps, logits => Supervised.Base(logits, batch, 0));
        return new(Total(terms, progress))
        {
            Scores = Accuracy(outputs.Logits, batch),
            Parts = terms.Named.ToDictionary(term => term.Name, term => term.Value.Detach()),
        };
    }

    /// <summary>All terms of the loss, unweighted.</summary>
    /// <param name="logits">Logits of the ViT, [B, K].</param>
    /// <param name="agentLogits">Logits of the agent, [B, K].</param>
    /// <param name="tokens">Patch tokens of every block of the ViT, [B, N, C] each.</param>
    /// <param name="maps">Maps of every block of the agent, [B, C, H, W] each.</param>
    /// <param name="labels">Gives the loss of logits [B, K] against the labels, a scalar.</param>
    internal BootstrappingTerms Terms(
        Tensor logits,
        Tensor agentLogits,
        IReadOnlyList<Tensor> tokens,
        IReadOnlyList<Tensor> maps,
        Func<Tensor, Tensor> labels
    )
    {
        Tensor[] agentTokens = [.. maps.Select(map => map.Flatten(2).Transpose(1, 2))];
        int[] layers = [.. options.HintLayers ?? Enumerable.Range(0, tokens.Count)];
        return new(
            labels(agentLogits),
            labels(logits),
            FeatureHints.Distillation(agentLogits, logits, options.Temperature),
            FeatureHints.Distillation(logits, agentLogits, options.Temperature),
            options.Weights.AgentHints == 0 ? [] : [.. layers.Select(i => Hint(agentTokens[i], tokens[i]))],
            [.. layers.Select(i => Hint(tokens[i], agentTokens[i]))]
        );

        Tensor Hint(Tensor student, Tensor target) => FeatureHints.Hint(student, target, options.NormalisedHints, options.ResampledHints);
    }

    /// <summary>Weighted sum of the terms; the ViT's hints can fade.</summary>
    internal Tensor Total(BootstrappingTerms terms, Progress progress) =>
        Torch.Scope(() =>
        {
            var (weights, decay) = (options.Weights, options.Fading ? FeatureHints.Decay(progress.Epoch, progress.Epochs) : 1);
            var total =
                weights.AgentLabels * terms.AgentLabels
                + weights.Labels * terms.Labels
                + weights.AgentDistillation * terms.AgentDistillation
                + weights.Distillation * terms.Distillation;
            if (weights.Hints * decay != 0)
                total = total + weights.Hints * decay * Sum(terms.Hints);
            return terms.AgentHints.Count == 0 ? total : total + weights.AgentHints * Sum(terms.AgentHints);
        });

    private static Tensor Sum(IReadOnlyList<Tensor> terms) => Torch.Stack([.. terms]).Sum();
}

/// <summary>
/// The terms of a step. The agent learns by its terms, the ViT by the others; gradients of one never reach the other, unless weights are
/// shared.
/// </summary>
internal sealed record BootstrappingTerms(
    Tensor AgentLabels,
    Tensor Labels,
    Tensor AgentDistillation,
    Tensor Distillation,
    IReadOnlyList<Tensor> AgentHints,
    IReadOnlyList<Tensor> Hints
)
{
    internal IEnumerable<(string Name, Tensor Value)> Named =>
        [
            ("agent_labels", AgentLabels),
            ("labels", Labels),
            ("agent_distillation", AgentDistillation),
            ("distillation", Distillation),
            ("hints", Torch.Stack([.. Hints]).Sum()),
        ];
}

/// <summary>Whether agent and ViT have weights of their own.</summary>
public enum BootstrappingMode
{
    /// <summary>The agent works with the ViT's tensors.</summary>
    Shared,

    /// <summary>Each has its own; they meet in the losses alone.</summary>
    Joint,
}

/// <summary>Weights of the terms of the loss, each at least 0; the defaults are those of shared mode.</summary>
/// <param name="AgentLabels">Weight of the agent's loss against the labels.</param>
/// <param name="Labels">Weight of the ViT's loss against the labels.</param>
/// <param name="AgentDistillation">Weight of the agent's divergence from the ViT's logits.</param>
/// <param name="Distillation">Weight of the ViT's divergence from the agent's logits.</param>
/// <param name="AgentHints">Weight of the agent's distance from the ViT's features.</param>
/// <param name="Hints">Weight of the ViT's distance from the agent's features at the beginning; it can fade.</param>
public sealed record BootstrappingWeights(
    [Range(0, 1e6)] double AgentLabels = 0.5,
    [Range(0, 1e6)] double Labels = 0.5,
    [Range(0, 1e6)] double AgentDistillation = 0.5,
    [Range(0, 1e6)] double Distillation = 0.5,
    [Range(0, 1e6)] double AgentHints = 0,
    [Range(0, 1e6)] double Hints = 5
);

/// <summary>Settings of bootstrapping ViTs (Zhang et al., 2022, arXiv:2112.03552); the student is a plain ViT.</summary>
/// <param name="Mode">shared (the default: one set of weights for both networks) or joint.</param>
/// <param name="Stem">Stem of the agent: resnet_like (the default) or vit_like.</param>
/// <param name="StemWidth">Channels inside of the resnet-like stem, at least 1; 64 by default.</param>
/// <param name="StemStride">Stride of the resnet-like stem: 8 (the default), or 4 or 2 for small images.</param>
/// <param name="DownSample">
/// Blocks after which the agent's map is halved; by default 0 and 1 after a resnet-like stem, and none after another stem.
/// </param>
/// <param name="PreNorm">Norms of the agent before its convolutions; the published agent of the base size has them on the branches.</param>
/// <param name="Convolution">Convolutions of the agent in joint mode: plain (3 x 3, the default) or many_head.</param>
/// <param name="Weights">Weights of the terms; by default those published for the mode (in joint mode 1, 1, 1, 1, 0, 10).</param>
/// <param name="Temperature">Divisor T of the logits in the distillation, from 1e-3 to 1e3; 4 by default.</param>
/// <param name="Fading">Whether the hints fade to nothing over the epochs.</param>
/// <param name="HintLayers">Indices of the blocks whose features are compared, from 0; all by default.</param>
/// <param name="NormalisedHints">Whether features are normalised before they are compared.</param>
/// <param name="ResampledHints">Whether maps of other sizes are averaged to the same number of tokens.</param>
/// <param name="Dropout">Dropout of the agent, from 0 to 0.999; the ViT's by default.</param>
/// <param name="Init">Initial values of the agent's own weights: reference (the default) or corrected.</param>
[RecipeName("bootstrapping")]
public sealed record BootstrappingOptions(
    BootstrappingMode Mode = BootstrappingMode.Shared,
    AgentStem Stem = AgentStem.ResnetLike,
    [Range(1, 65536)] int StemWidth = 64,
    [Range(2, 8)] int StemStride = 8,
    IReadOnlyList<int>? DownSample = null,
    bool PreNorm = true,
    AgentConvolution Convolution = AgentConvolution.Plain,
    BootstrappingWeights? Weights = null,
    [Range(1e-3, 1e3)] double Temperature = 4,
    bool Fading = true,
    IReadOnlyList<int>? HintLayers = null,
    bool NormalisedHints = true,
    bool ResampledHints = true,
    [Range(0, 0.999)] double? Dropout = null,
    BootstrapInit Init = BootstrapInit.Reference
) : ObjectiveOptions
{
    /// <summary>Weights of the terms.</summary>
    public BootstrappingWeights Weights { get; init; } = Weights ?? (Mode == BootstrappingMode.Shared ? new() : new(1, 1, 1, 1, 0, 10));

    /// <inheritdoc/>
    public override Objective Create(ObjectiveContext context) => new Bootstrapping(this, context.Student);
}
