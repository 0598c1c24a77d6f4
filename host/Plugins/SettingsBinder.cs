using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using PluginServer.Configuration;

namespace PluginServer.Plugins;

/// <summary>Binds an endpoint's settings to the options type of its handler and validates them, inside the plugin's context.</summary>
/// <remarks>
/// The binder and the data annotations are the context's own copies: the shared ones would ask the shared TypeDescriptor, which
/// keeps what it was asked about for ever.
/// </remarks>
internal sealed partial class SettingsBinder(LoadedPlugin plugin)
{
    private const string Binder = "Microsoft.Extensions.Configuration.ConfigurationBinder, Microsoft.Extensions.Configuration.Binder";
    private const string Annotations = "Microsoft.Extensions.Options.DataAnnotationValidateOptions`1, Microsoft.Extensions.Options.DataAnnotations";

    /// <summary>An <c>IOptions&lt;T&gt;</c> for the options type, or null with errors added.</summary>
    public object? Bind(Type type, ConfigSettings settings, List<ConfigError> errors)
    {
        var create = typeof(SettingsBinder).GetMethod(nameof(BindAs), BindingFlags.Instance | BindingFlags.NonPublic)!.MakeGenericMethod(type);
        return create.Invoke(this, BindingFlags.DoNotWrapExceptions, null, [settings, errors], CultureInfo.InvariantCulture);
    }

    private IOptions<T>? BindAs<T>(ConfigSettings settings, List<ConfigError> errors)
        where T : class
    {
        var before = errors.Count;
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(settings.Values).Build();
        try
        {
            new SettingsShape(settings, configuration, (target, key) => Call("GetValue", [typeof(IConfiguration), typeof(Type), typeof(string)], configuration, target, key), errors).Check(typeof(T));
            if (errors.Count > before || Create<T>(configuration) is not { } options)
            {
                return null;
            }

            Validate(options, settings, errors);
            return errors.Count > before ? null : Options.Create(options);
        }
        catch (Exception error)
        {
            errors.Add(settings.Position.Error($"cannot be bound to {typeof(T).Name}: {LoadedPlugin.Cause(error)}"));
            return null;
        }
    }

    private T Create<T>(IConfiguration configuration)
        where T : class
    {
        if (typeof(T).GetConstructor(Type.EmptyTypes) is null)
        {
            // A record with its values in the constructor.
            return (T?)Call("Get", [typeof(IConfiguration), typeof(Type)], configuration, typeof(T))
                ?? throw new InvalidOperationException("its constructor has parameters, and there are no settings");
        }

        var options = Activator.CreateInstance<T>();
        foreach (var configure in plugin.Services.GetServices<IConfigureOptions<T>>())
        {
            configure.Configure(options);
        }

        Call("Bind", [typeof(IConfiguration), typeof(object)], configuration, options);
        foreach (var configure in plugin.Services.GetServices<IPostConfigureOptions<T>>())
        {
            configure.PostConfigure(Options.DefaultName, options);
        }

        return options;
    }

    private void Validate<T>(T options, ConfigSettings settings, List<ConfigError> errors)
        where T : class
    {
        var annotations = (IValidateOptions<T>)Activator.CreateInstance(Private(Annotations).MakeGenericType(typeof(T)), Options.DefaultName)!;
        foreach (var failure in Failures(annotations, options))
        {
            var found = AnnotationFailure().Match(failure);
            errors.Add(found.Success
                ? settings.At(found.Groups["member"].Value).Error(found.Groups["error"].Value.TrimEnd('.'))
                : settings.Position.Error(failure));
        }

        errors.AddRange(plugin.Services.GetServices<IValidateOptions<T>>().SelectMany(validator => Failures(validator, options)).Select(settings.Position.Error));
    }

    private static IEnumerable<string> Failures<T>(IValidateOptions<T> validator, T options)
        where T : class => validator.Validate(Options.DefaultName, options) is { Failed: true } result ? result.Failures : [];

    private object? Call(string name, Type[] parameters, params object[] arguments)
    {
        var method = Private(Binder).GetMethod(name, BindingFlags.Public | BindingFlags.Static, parameters)!;
        return method.Invoke(null, BindingFlags.DoNotWrapExceptions, null, arguments, CultureInfo.InvariantCulture);
    }

    private Type Private(string name) => plugin.PrivateType(name);

    [GeneratedRegex("^DataAnnotation validation failed for '[^']*' members?: '(?<member>[^',]*)[^']*' with the error: '(?<error>.*)'\\.?$", RegexOptions.Singleline)]
    private static partial Regex AnnotationFailure();
}
