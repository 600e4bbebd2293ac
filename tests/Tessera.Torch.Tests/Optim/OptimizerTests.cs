using System.Text.Json;
using Tessera.Nn;
using Tessera.Optim;
using Tessera.Testing;

namespace Tessera.Tests.Optim;

public sealed partial class OptimizerTests : LiveTensors
{
    private static Parameter Learned(params double[] values) => Torch.Scope(() => new Parameter(Tensor.From(values)));

    private static ParameterGroup[] Group(Parameter parameter, double decay = 0, double scale = 1) =>
        [new([("p", parameter)], decay, scale)];

    // Steps with given gradients, against a rule for one number.
    private static void Follows(Func<ParameterGroup[], Optimizer> make, double decay, Func<double, double, int, double> rule)
    {
        using var scope = Torch.Scope();
        var parameter = Learned(1.5);
        var optimizer = make(Group(parameter, decay));
        var expected = 1.5;
        double[] gradients = [0.4, -1.2, 0.7, 0, 2.5];
        for (var step = 1; step <= gradients.Length; step++)
        {
            parameter.Grad = Tensor.From([gradients[step - 1]]);
            optimizer.Step();
            expected = rule(expected, gradients[step - 1], step);
            Near.Values(parameter.Detach(), 1e-12, expected);
        }
    }

    [Fact]
    public void Sgd_plain() => Follows(g => new Sgd(g, 0.1), 0, (p, g, _) => p - 0.1 * g);

    [Fact]
    public void Sgd_with_decay() => Follows(g => new Sgd(g, 0.1), 0.5, (p, g, _) => p - 0.1 * (g + 0.5 * p));

    [Theory]
    [InlineData(false, 0)]
    [InlineData(false, 0.3)]
    [InlineData(true, 0)]
    public void Sgd_with_momentum_and_decay(bool nesterov, double dampening)
    {
        var velocity = 0.0;
        Follows(
            g => new Sgd(g, 0.1, 0.9, nesterov, dampening),
            0.01,
            (p, g, step) =>
            {
                var direction = g + 0.01 * p;
                velocity = step == 1 ? direction : 0.9 * velocity + (1 - dampening) * direction;
                return p - 0.1 * (nesterov ? direction + 0.9 * velocity : velocity);
            }
        );
    }

    [Fact]
    public void Adamw()
    {
        var (mean, square) = (0.0, 0.0);
        Follows(
            g => new AdamW(g, 0.1, 0.8, 0.95, 1e-3),
            0.2,
            (p, g, step) =>
            {
                mean = 0.8 * mean + 0.2 * g;
                square = 0.95 * square + 0.05 * g * g;
                return p * (1 - 0.1 * 0.2)
                    - 0.1 * (mean / (1 - Math.Pow(0.8, step))) / (Math.Sqrt(square / (1 - Math.Pow(0.95, step))) + 1e-3);
            }
        );
    }

    private sealed partial class Net : Layer
    {
        private readonly Linear fc = new(3, 2);
        private readonly LayerNorm norm = new(2);
        private readonly Parameter posEmbed = Init.Zeros(new Parameter([1, 4, 2]));
        private readonly Parameter frozen = new([2, 2]);

        public Net() => frozen.RequiresGrad = false;

        protected override Tensor Forward(Tensor input) => norm.Call(fc.Call(input)) + posEmbed.Sum();
    }

    [Fact]
    public void Vectors_biases_and_named_parameters_do_not_decay()
    {
        var groups = ParameterGroup.Split(new Net(), 0.05, name => name == "pos_embed");
        Assert.Equal([0.05, 0.0], groups.Select(g => g.WeightDecay));
        Assert.Equal(["fc.weight"], groups[0].Parameters.Select(p => p.Name));
        Assert.Equal(["pos_embed", "fc.bias", "norm.weight", "norm.bias"], groups[1].Parameters.Select(p => p.Name));
        Assert.Equal(5, ParameterGroup.All(new Net(), 0.1)[0].Parameters.Count);
    }

    [Fact]
    public void A_parameter_in_two_groups_is_refused()
    {
        var p = Learned(1);
        Assert.Contains(
            "'p' is listed twice",
            Assert.Throws<ArgumentException>(() => new Sgd([.. Group(p), .. Group(p)], 0.1)).Message,
            StringComparison.Ordinal
        );
    }

    [Fact]
    public void Groups_scale_the_learning_rate_and_parameters_without_gradient_stay()
    {
        using var scope = Torch.Scope();
        var (a, b) = (Learned(1), Learned(1));
        var optimizer = new Sgd([new([("a", a)], Scale: 0.5), new([("b", b)])], 0.1);
        a.Grad = Tensor.From([1.0]);
        optimizer.Step();
        Near.Values(a.Detach(), 1e-15, 0.95);
        Near.Values(b.Detach(), 0, 1);
        optimizer.ZeroGrad();
        Assert.Null(a.Grad);
        Assert.Equal(["a/step"], optimizer.StateDict().Keys);
    }

    public static TheoryData<string> Optimizers => ["sgd", "nesterov", "adamw", "adam", "lamb", "lars", "popular", "rmsprop"];

    private static Optimizer Make(string name, Module model) =>
        name switch
        {
            "sgd" => new Sgd(ParameterGroup.Split(model, 0.01), 0.1),
            "nesterov" => new Sgd(ParameterGroup.Split(model, 0.01), 0.1, 0.9, nesterov: true),
            "adam" => new Adam(ParameterGroup.Split(model, 0.05), 0.01),
            "lamb" => new Lamb(ParameterGroup.Split(model, 0.05), 0.01),
            "lars" => new Lars(ParameterGroup.Split(model, 0.05), 1),
            "popular" => new Lars(ParameterGroup.Split(model, 0.05), 1, form: LarsForm.Popular, nesterov: true),
            "rmsprop" => new Rmsprop(ParameterGroup.Split(model, 0.05), 0.01, momentum: 0.9),
            _ => new AdamW(ParameterGroup.Split(model, 0.05), 0.01),
        };

    private static void Train(Module<Tensor, Tensor> model, Optimizer optimizer, int from, int to)
    {
        for (var step = from; step < to; step++)
        {
            using var scope = Torch.Scope();
            Torch.Seed((ulong)step);
            optimizer.ZeroGrad();
            model.Call(Torch.Randn([4, 3])).Pow(2).Sum().Backward();
            optimizer.Step();
        }
    }

    [Theory]
    [MemberData(nameof(Optimizers))]
    public void Training_goes_on_bit_for_bit_from_a_saved_state(string name)
    {
        using var scope = Torch.Scope();
        var straight = new Net();
        var resumed = new Net();
        var fresh = new Net();
        foreach (var net in new[] { resumed, fresh })
            net.LoadStateDict(straight.StateDict());

        Train(straight, Make(name, straight), 0, 6);

        var first = Make(name, resumed);
        Train(resumed, first, 0, 3);
        var saved = first.StateDict().ToDictionary(e => e.Key, e => e.Value.Clone());
        var second = Make(name, resumed);
        second.LoadStateDict(saved);
        Assert.Equal(saved.Keys.Order(), second.StateDict().Keys.Order());
        Train(resumed, second, 3, 6);
        foreach (var (key, value) in straight.StateDict())
            Near.Identical(value, resumed.StateDict()[key]);
    }

    [Fact]
    public void A_state_that_does_not_fit_is_refused_and_changes_nothing()
    {
        using var scope = Torch.Scope();
        var net = new Net();
        var optimizer = Make("adamw", net);
        Train(net, optimizer, 0, 1);
        var before = optimizer.StateDict().ToDictionary(e => e.Key, e => e.Value.Clone());
        var wrongShape = new OrderedDictionary<string, Tensor>
        {
            ["fc.weight/step"] = Tensor.Of(9L),
            ["fc.weight/exp_avg"] = Torch.Zeros([5]),
        };
        Assert.Contains(
            "fc.weight/exp_avg",
            Assert.Throws<ArgumentException>(() => optimizer.LoadStateDict(wrongShape)).Message,
            StringComparison.Ordinal
        );
        Assert.Contains(
            "nobody/step",
            Assert
                .Throws<ArgumentException>(() =>
                    optimizer.LoadStateDict(new Dictionary<string, Tensor> { ["nobody/step"] = Tensor.Of(1L) })
                )
                .Message,
            StringComparison.Ordinal
        );
        foreach (var (key, value) in optimizer.StateDict())
            Near.Identical(before[key], value);
    }

    [Fact]
    public void The_norm_of_gradients_is_limited()
    {
        using var scope = Torch.Scope();
        var (a, b, none) = (Learned(0, 0), Learned(0), Learned(0));
        a.Grad = Tensor.From([3.0, 0.0]);
        b.Grad = Tensor.From([4.0]);
        Assert.Equal(5, GradientClipping.ByNorm([a, b, none], 10), 1e-12);
        Near.Values(a.Grad!, 0, 3, 0);
        Assert.Equal(5, GradientClipping.ByNorm([a, b, none], 1), 1e-12);
        Near.Values(a.Grad!, 1e-6, 0.6, 0);
        Near.Values(b.Grad!, 1e-6, 0.8);
        Assert.Equal(0, GradientClipping.ByNorm([none], 1));
        a.Grad = Tensor.From([-3.0, 0.5]);
        GradientClipping.ByValue([a, none], 1);
        Near.Values(a.Grad!, 0, -1, 0.5);
    }

    [Fact]
    public void Gradients_are_limited_parameter_by_parameter()
    {
        using var scope = Torch.Scope();
        var (large, small, bad, none) = (Learned(1, 2), Learned(1), Learned(1), Learned(0));
        large.Grad = Tensor.From([30.0, 40.0]);
        small.Grad = Tensor.From([0.5]);
        Assert.Equal(Math.Sqrt(2500.25), GradientClipping.EachByNorm([large, small, none], 3), 1e-9);
        Near.Values(large.Grad!, 1e-6, 1.8, 2.4);
        Near.Values(small.Grad!, 0, 0.5);
        bad.Grad = Tensor.From([double.PositiveInfinity]);
        large.Grad = Tensor.From([30.0, 40.0]);
        Assert.Equal(double.PositiveInfinity, GradientClipping.EachByNorm([bad, large], 3));
        Near.Values(large.Grad!, 1e-6, 1.8, 2.4);
        Near.Values(bad.Grad!, 0, double.PositiveInfinity);
        Assert.Equal(0, GradientClipping.EachByNorm([none], 3));
    }

    [Fact]
    public void Weight_decay_follows_its_factor_in_the_next_step()
    {
        using var scope = Torch.Scope();
        double After(double decay, double scale)
        {
            var weight = Learned(2);
            weight.Grad = Tensor.From([0.0]);
            var optimizer = new AdamW([new([("w", weight)], decay)], 0.1) { DecayScale = scale };
            optimizer.Step();
            return weight.Detach().ToArray<double>()[0];
        }

        Assert.Equal(2 * (1 - 0.1 * 0.5), After(0.5, 1), 1e-12);
        Assert.Equal(After(0.5, 1), After(0.2, 2.5), 1e-12);
        Assert.Equal(2, After(0.5, 0), 1e-12);
    }

    [Fact]
    public void Gradients_are_limited_to_a_share_of_their_weights_unit_by_unit()
    {
        using var scope = Torch.Scope();
        var (vector, none) = (Learned(3, 4), Learned(0));
        var rows = new Parameter([3, 2, 1]);
        using (Torch.NoGrad())
            rows.Copy_(Tensor.From([3.0, 4.0, 0.0, 0.0, 6.0, 8.0], 3, 2, 1));
        vector.Grad = Tensor.From([0.0, 10.0]);
        rows.Grad = Tensor.From([0.3, 0.4, 3.0, 4.0, 30.0, 40.0], 3, 2, 1).To(rows.DType);
        GradientClipping.Adaptive([vector, none, rows], 0.1);
        // As one unit: 0.1 of the norm 5.
        Near.Values(vector.Grad!, 1e-6, 0, 0.5);
        // Just short enough; weights of zero count as 1e-3; cut down to 0.1 of 10.
        Near.Values(rows.Grad!, 1e-6, 0.3, 0.4, 0.6e-4, 0.8e-4, 0.6, 0.8);
        vector.Grad = Tensor.From([double.NaN, 1.0]);
        GradientClipping.Adaptive([vector], 0.1);
        Assert.Same(vector, GradientClipping.FirstNotFinite([vector]));
    }

    // The recorded rule that fills a tensor from its name.
    private static double[] Filled(string name, int count, double offset, double scale)
    {
        var hash = 0xCBF29CE484222325UL;
        foreach (var b in System.Text.Encoding.UTF8.GetBytes(name))
            hash = (hash ^ b) * 0x100000001B3UL;
        return
        [
            .. Enumerable
                .Range(1, count)
                .Select(i =>
                {
                    var z = hash + (ulong)i * 0x9E3779B97F4A7C15UL;
                    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
                    z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
                    z ^= z >> 31;
                    return (double)(float)(offset + scale * ((z >> 40) / 8388608.0 - 1));
                }),
        ];
    }

    [Theory]
    [InlineData("adamw_ema")]
    [InlineData("adamw_clip")]
    public void Adamw_takes_the_recorded_steps(string name)
    {
        using var scope = Torch.Scope();
        var golden = Goldens.Read($"deit/{name}.json");
        var config = golden.GetProperty("config");
        double[] Input(string input)
        {
            var rule = golden.GetProperty("inputs").GetProperty(input);
            var count = rule.GetProperty("shape").EnumerateArray().Aggregate(1, (n, size) => n * size.GetInt32());
            return Filled($"input:{input}", count, rule.GetProperty("offset").GetDouble(), rule.GetProperty("scale").GetDouble());
        }

        var (weight, bias) = (new Parameter(Tensor.From(Input("weight"), 3, 4)), Learned(Input("bias")));
        var optimizer = new AdamW(
            [new([("weight", weight)], config.GetProperty("weight_decay").GetDouble()), new([("bias", bias)])],
            config.GetProperty("lr").GetDouble()
        );
        for (var step = 0; step < config.GetProperty("steps").GetInt32(); step++)
        {
            optimizer.ZeroGrad();
            foreach (var (parameter, slope) in new[] { (weight, $"grad{step}_weight"), (bias, $"grad{step}_bias") })
                ((parameter * Tensor.From(Input(slope)).Reshape(parameter.Shape)).Sum() + 0.5 * (parameter * parameter).Sum()).Backward();
            if (config.GetProperty("clip_grad_norm").ValueKind == JsonValueKind.Number)
            {
                var norm = GradientClipping.ByNorm([weight, bias], config.GetProperty("clip_grad_norm").GetDouble());
                Assert.Equal(Goldens.Output(golden, $"norm{step}")[0], norm, 1e-8);
            }
            optimizer.Step();
            Near.Values(weight.Detach(), 1e-8, Goldens.Output(golden, $"weight_after_{step + 1}"));
            Near.Values(bias.Detach(), 1e-8, Goldens.Output(golden, $"bias_after_{step + 1}"));
        }
    }

    [Theory]
    [InlineData("lr_schedule_deit")]
    [InlineData("lr_schedule_cifar_cct")]
    public void The_cosine_schedule_is_the_recorded_one(string name)
    {
        var golden = Goldens.Read($"deit/{name}.json");
        double Setting(string key) => golden.GetProperty("config").GetProperty(key).GetDouble();
        var schedule = new CosineSchedule(
            Setting("lr"),
            Setting("epochs"),
            Setting("warmup_epochs"),
            Setting("warmup_lr"),
            Setting("min_lr")
        );
        Assert.Equal(Goldens.Output(golden, "lr_at_start")[0], schedule.At(0), 1e-15);
        foreach (var (epoch, expected) in Goldens.Output(golden, "lr_after_epoch").Index())
            Assert.Equal(expected, schedule.At(epoch), 1e-15);
    }

    [Fact]
    public void A_schedule_without_warm_up_starts_at_the_top()
    {
        var schedule = new CosineSchedule(1, 10);
        Assert.Equal((1, 0.5, 0, 0), (schedule.At(0), Math.Round(schedule.At(5), 12), schedule.At(10), schedule.At(99)));
    }
}
