using Tessera.Nn;
using Tessera.Testing;

namespace Tessera.Tests;

/// <summary>Modules that compute again in the backward pass what they did not keep.</summary>
public sealed partial class GradientCheckpointingTests : LiveTensors
{
    private const int Width = 8;

    private sealed partial class Block : Module<(Tensor X, int Side, Tensor? Bias, (int, int) Plain), Tensor>
    {
        private readonly Linear up = new(Width, 4 * Width);
        private readonly BatchNorm norm = new(4 * Width);
        private readonly Dropout drop = new(0.3);
        private readonly Linear down = new(4 * Width, Width);

        internal int Runs { get; private set; }

        protected override Tensor Forward((Tensor X, int Side, Tensor? Bias, (int, int) Plain) input)
        {
            Runs++;
            Assert.Equal((3, (4, 5)), (input.Side, input.Plain));
            var hidden = Record("hidden", drop.Call(norm.Call(up.Call(input.X)).Gelu()));
            var x = input.X + down.Call(hidden);
            return input.Bias is null ? x : x * input.Bias;
        }
    }

    private sealed partial class Net : Layer
    {
        private readonly Linear stem = new(Width, Width);
        private readonly Block first = new();
        private readonly Block second = new();
        private readonly Parameter bias = Init.Ones(new Parameter(Width));

        internal bool WithBias { get; init; } = true;

        internal Block[] Blocks => [first, second];

        protected override Tensor Forward(Tensor input)
        {
            var x = stem.Call(input);
            foreach (var block in Blocks)
                x = block.Call((x, 3, WithBias ? bias * 2 : null, (4, 5)));
            return x;
        }
    }

    private static Tensor Input(ulong seed = 3)
    {
        Torch.Seed(seed);
        return Torch.Randn([16, Width]);
    }

    // Loss, gradients, running statistics and the random number that comes next.
    private static (double[][] Values, int Runs) Step(bool recomputes, bool bias = true, DType? cast = null, int passes = 1)
    {
        using var scope = new Scope();
        Torch.Seed(1);
        var net = new Net { WithBias = bias };
        foreach (var block in net.Blocks)
            block.GradientCheckpointing = recomputes;
        var input = Input();
        input.RequiresGrad = true;
        for (var i = 0; i < passes; i++)
        {
            Tensor loss;
            using (cast is { } type ? Torch.Autocast(type) : null)
                loss = net.Call(input).To(DType.Float32).Square().Mean();
            loss.Backward();
        }
        double[][] values =
        [
            input.Grad!.ToArray<double>(),
            .. net.Parameters().Select(p => p.Grad?.ToArray<double>() ?? []),
            .. net.NamedBuffers().Select(b => b.Buffer.ToArray<double>()),
            Torch.Rand(4).ToArray<double>(),
        ];
        return (values, net.Blocks.Sum(block => block.Runs));
    }

    [Theory]
    [InlineData(true, false, 1)]
    [InlineData(false, false, 1)]
    [InlineData(true, true, 1)]
    [InlineData(true, false, 3)]
    public void Gradients_statistics_and_random_numbers_are_those_of_a_plain_pass(bool bias, bool cast, int passes)
    {
        var plain = Step(false, bias, cast ? DType.BFloat16 : null, passes);
        var again = Step(true, bias, cast ? DType.BFloat16 : null, passes);
        Assert.Equal(plain.Values, again.Values);
        Assert.Equal(2 * passes, plain.Runs);
        Assert.Equal(4 * passes, again.Runs);
    }

    [Fact]
    public void Nothing_runs_twice_where_no_gradient_is_wanted()
    {
        using var scope = new Scope();
        var net = new Net();
        foreach (var block in net.Blocks)
            block.GradientCheckpointing = true;
        using (Torch.NoGrad())
            net.Call(Input());
        Assert.All(net.Blocks, block => Assert.Equal(1, block.Runs));
    }

    [Fact]
    public void Frozen_parameters_and_inputs_without_gradient_get_none()
    {
        using var scope = new Scope();
        var net = new Net();
        net.RequireGrad(false);
        foreach (var (name, parameter) in net.Blocks[1].NamedParameters())
            parameter.RequiresGrad = name.StartsWith("down", StringComparison.Ordinal);
        foreach (var block in net.Blocks)
            block.GradientCheckpointing = true;
        net.Call(Input()).Sum().Backward();
        Assert.Equal(
            ["second.down.weight", "second.down.bias"],
            net.NamedParameters().Where(p => p.Parameter.Grad is not null).Select(p => p.Name)
        );
    }

    [Theory]
    [InlineData("first", true)]
    [InlineData("*", true)]
    [InlineData("first.hidden", false)]
    [InlineData("**.hidden", false)]
    [InlineData("f*.h*", false)]
    [InlineData("second.*", true)]
    [InlineData("first.*", false)]
    public void What_is_recorded_inside_keeps_its_gradient(string pattern, bool recomputed)
    {
        using var scope = new Scope();
        var net = new Net();
        var block = net.Blocks[0];
        block.GradientCheckpointing = true;
        var input = Input();
        using (var taps = new Taps(net, pattern))
        {
            net.Call(input);
            Assert.NotEmpty(taps.Records);
            Assert.All(taps.Records.Values, record => Assert.True(record.RequiresGrad));
            var count = taps.Records.Count;
            taps.Records.Values.Last().Sum().Backward();
            Assert.Equal(count, taps.Records.Count);
        }
        Assert.Equal(recomputed ? 2 : 1, block.Runs);
    }

    [Fact]
    public void Gradients_of_gradients_are_refused()
    {
        using var scope = new Scope();
        var net = new Net();
        net.Blocks[1].GradientCheckpointing = true;
        var input = Input();
        input.RequiresGrad = true;
        var error = Assert.ThrowsAny<TorchException>(() => Autograd.Grad([net.Call(input).Sum()], [input], createGraph: true));
        Assert.Contains("gradients of gradients", error.Message, StringComparison.Ordinal);
    }

    private sealed partial class Pair : Module<Tensor, Tensor[]>
    {
        protected override Tensor[] Forward(Tensor input) => [input, input];
    }

    private sealed partial class Lists : Module<(Tensor[] Maps, int Side), Tensor>
    {
        protected override Tensor Forward((Tensor[] Maps, int Side) input) => input.Maps[0];
    }

    [Fact]
    public void Modules_that_do_not_turn_a_tensor_into_a_tensor_say_so()
    {
        Assert.Contains(
            "Pair",
            Assert.Throws<NotSupportedException>(() => new Pair().GradientCheckpointing = true).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "Lists",
            Assert.Throws<NotSupportedException>(() => new Lists().GradientCheckpointing = true).Message,
            StringComparison.Ordinal
        );
        Assert.False(new Pair { GradientCheckpointing = false }.GradientCheckpointing);
    }
}
